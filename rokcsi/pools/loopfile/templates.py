"""Empty file systems, made once for each kind and size, and cloned for every new volume.

Called when a volume is made. A template gets its name when it is complete and on the disk,
so that whoever finds one can use it; the least lately used ones give way to new ones.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import NotSupported, SizeOutOfRange
from rokcsi.model.sizes import Bytes
from rokcsi.pools.loopfile.disk import Disk, closing, on_disk
from rokcsi.system.command import Runner
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.linking import give_name, unnamed_file

declare("loopfile.create.template-made", "loopfile.create.template-named")

_TIMEOUT_SECONDS = 120.0
_NAME = re.compile(r"(?:xfs|ext4)-[0-9]+")


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How one kind of file system is made on a sparse file, and how large it must be."""

    smallest: Bytes
    command: tuple[str, ...]


_RECIPES = {
    # 4096: a loop with direct I/O over a reflinked file has such sectors, whatever it was made with.
    "xfs": _Recipe(
        Bytes(300 << 20), ("mkfs.xfs", "-q", "-f", "-K", "-s", "size=4096", "-m", "reflink=1", "-L", "rokcsi")
    ),
    # A sparse file is all zeros: nothing is left for the kernel to zero in each clone's background.
    "ext4": _Recipe(
        Bytes(16 << 20),
        (
            "mkfs.ext4",
            "-q",
            "-F",
            "-b",
            "4096",
            "-m",
            "0",
            "-L",
            "rokcsi",
            "-E",
            "nodiscard,assume_storage_prezeroed=1",
        ),
    ),
}


class Templates:
    """The pool's templates, at most `most` of them on the disk."""

    def __init__(self, disk: Disk, runner: Runner, *, most: int = 32) -> None:
        self._disk = disk
        self._runner = runner
        self._most = most
        self._mutex = threading.Lock()
        # A dict keeps the order of use: the first one is the one that gives way.
        templates = [path for path in disk.templates.iterdir() if is_template(path.name)]
        self._locks = {path.name: threading.Lock() for path in sorted(templates, key=_age)}

    @contextmanager
    def opened(self, filesystem: str, size: Bytes) -> Iterator[int]:
        """Open an empty file system of this kind and size; raise NotSupported, SizeOutOfRange, ToolFailed, PoolFull."""
        recipe = _recipe(filesystem)
        if size < recipe.smallest:
            raise SizeOutOfRange(f"{filesystem} needs a volume of at least {recipe.smallest}, not {size}")
        path = self._disk.templates / f"{filesystem}-{int(size)}"
        with self._lock_of(path.name), on_disk(f"keep the template {path.name}"):
            if not path.exists():
                self._make(recipe, path, size)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with closing(fd):
            yield fd

    def _lock_of(self, name: str) -> threading.Lock:
        """Give the lock under which a template is made, and let the oldest ones go."""
        with self._mutex:
            lock = self._locks[name] = self._locks.pop(name, threading.Lock())
            for old in [old for old in list(self._locks)[: -self._most] if not self._locks[old].locked()]:
                del self._locks[old]
                (self._disk.templates / old).unlink(missing_ok=True)
        return lock

    def _make(self, recipe: _Recipe, path: Path, size: Bytes) -> None:
        with closing(unnamed_file(self._disk.templates)) as fd:
            os.ftruncate(fd, size)
            file = f"/proc/{os.getpid()}/fd/{fd}"
            self._runner.run([*recipe.command, file], timeout_seconds=_TIMEOUT_SECONDS)
            os.fsync(fd)
            failpoint("loopfile.create.template-made")
            give_name(fd, path)
            failpoint("loopfile.create.template-named")


def is_template(name: str) -> bool:
    """Tell whether a file of this name is one of ours."""
    return _NAME.fullmatch(name) is not None


def _recipe(filesystem: str) -> _Recipe:
    if filesystem not in _RECIPES:
        raise NotSupported(f"{filesystem!r} is not a file system for volumes; choose {' or '.join(_RECIPES)}")
    return _RECIPES[filesystem]


def _age(path: Path) -> int:
    return path.stat().st_atime_ns
