"""Copies a folder into a volume as it is: modes, times, owners, symbolic and hard links, holes, attributes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, PoolFull, SystemCallFailed
from rokcsi.model.sizes import Bytes

_PIECE = 8 << 20
_REPORT_EVERY_FILES = 64


@dataclass(frozen=True, slots=True)
class FolderSize:
    """What is in a folder: `size` counts the bytes that take room, holes excluded."""

    files: int
    size: Bytes


def measure(folder: Path) -> FolderSize:
    """Add up a folder; raise InvalidRequest where it cannot be read."""
    files = size = 0
    for _, found in _walk(folder):
        files += 1
        size += _occupied(found)
    return FolderSize(files, Bytes(size))


def copy_folder(source: Path, target: Path, report: Callable[[FolderSize], None]) -> None:
    """Copy all of `source` into the existing folder `target`; raise InvalidRequest, PoolFull, SystemCallFailed.

    `report` hears how much has been copied by now, often enough for a progress bar.
    """
    try:
        _Copy(source, target, report).run()
    except OSError as error:
        where = error.filename or source
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise PoolFull(
                f"the volume is too small for {source}: no room left at {where}; ask for a larger size"
            ) from error
        raise SystemCallFailed(f"{where} could not be copied: {error.strerror}") from error


@dataclass(slots=True)
class _Copy:
    source: Path
    target: Path
    report: Callable[[FolderSize], None]
    files: int = 0
    size: int = 0
    links: dict[tuple[int, int], Path] = field(default_factory=dict)

    def run(self) -> None:
        folders = [(self.source, self.target)]
        for path, found in _walk(self.source):
            there = self.target / path.relative_to(self.source)
            self._entry(path, found, there)
            if stat.S_ISDIR(found.st_mode):
                folders.append((path, there))
        # Folders last and the innermost first: what is made inside one changes its times.
        for path, there in reversed(folders):
            _keep(path, path.lstat(), there)
        self._tell()

    def _entry(self, path: Path, found: os.stat_result, there: Path) -> None:
        first = self.links.setdefault((found.st_dev, found.st_ino), there) if found.st_nlink > 1 else there
        if stat.S_ISDIR(found.st_mode):
            there.mkdir(mode=0o700)
        elif first != there:
            there.hardlink_to(first)
        elif stat.S_ISLNK(found.st_mode):
            there.symlink_to(path.readlink())
            _keep(path, found, there)
        elif stat.S_ISREG(found.st_mode):
            self._file(path, found, there)
            _keep(path, found, there)
        elif stat.S_ISFIFO(found.st_mode):
            os.mkfifo(there, 0o600)
            _keep(path, found, there)
        # Sockets and device nodes mean nothing in another volume and are left out.
        self.files += 1
        if self.files % _REPORT_EVERY_FILES == 0:
            self._tell()

    def _file(self, path: Path, found: os.stat_result, there: Path) -> None:
        with path.open("rb", buffering=0) as reading, there.open("xb", buffering=0) as writing:
            for begin, end in _extents(reading.fileno(), found.st_size):
                self._extent(reading.fileno(), writing.fileno(), begin, end)
            writing.truncate(max(found.st_size, writing.seek(0, os.SEEK_END)))

    def _extent(self, reading: int, writing: int, begin: int, end: int) -> None:
        os.lseek(reading, begin, os.SEEK_SET)
        os.lseek(writing, begin, os.SEEK_SET)
        while begin < end:
            piece = os.read(reading, min(_PIECE, end - begin))
            if not piece:
                return
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(writing, rest) :]
            begin += len(piece)
            self.size += len(piece)
            if len(piece) == _PIECE:
                self._tell()

    def _tell(self) -> None:
        self.report(FolderSize(self.files, Bytes(self.size)))


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Give everything below a folder, parents first, never through a symbolic link."""
    waiting = [folder]
    while waiting:
        for path, found in _entries(waiting.pop()):
            yield path, found
            if stat.S_ISDIR(found.st_mode):
                waiting.append(path)


def _entries(folder: Path) -> list[tuple[Path, os.stat_result]]:
    try:
        return [
            (Path(entry.path), entry.stat(follow_symlinks=False)) for entry in sorted(os.scandir(folder), key=_name)
        ]
    except OSError as error:
        raise InvalidRequest(f"the folder {folder} cannot be read: {error.strerror}; name one that exists") from error


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _occupied(found: os.stat_result) -> int:
    return min(found.st_size, found.st_blocks * 512) if stat.S_ISREG(found.st_mode) else 0


def _extents(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Give the ranges of a file that hold something."""
    position = 0
    while position < size:
        try:
            begin = os.lseek(file, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        position = os.lseek(file, begin, os.SEEK_HOLE)
        yield begin, position


def _keep(path: Path, found: os.stat_result, there: Path) -> None:
    """Give the copy its original's owner, mode, times and attributes."""
    if os.geteuid() == 0:
        os.chown(there, found.st_uid, found.st_gid, follow_symlinks=False)
    shutil.copystat(path, there, follow_symlinks=False)
