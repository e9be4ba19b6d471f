"""Empty file systems, made once for each kind and size, and cloned for every new volume.

Called when a volume is made. A template gets its name when it is complete and on the disk,
so that whoever finds one can use it; the least lately used ones give way to new ones. Only
the making of one is waited for, as for any lock: no longer than the call's deadline.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rokcsi.model.errors import NotSupported, SizeOutOfRange
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.sizes import Bytes
from rokcsi.pools.loopfile.disk import Disk, closing, on_disk
from rokcsi.system.command import Runner
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.linking import give_name, unnamed_file
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.make_filesystem import make_in_file

declare("loopfile.create.template-made", "loopfile.create.template-named")

_NAME = re.compile(rf"(?:{'|'.join(FILESYSTEMS)})-[0-9]+")
_LABEL = "rokcsi"


class Templates:
    """The pool's templates, at most `most` of them on the disk."""

    def __init__(self, disk: Disk, runner: Runner, locks: KeyedLocks, *, most: int = 32) -> None:
        self._disk = disk
        self._runner = runner
        self._locks = locks
        self._most = most
        self._mutex = threading.Lock()
        # A dict keeps the order of use: the first one is the one that gives way.
        templates = [path for path in disk.templates.iterdir() if is_template(path.name)]
        self._used = {path.name: None for path in sorted(templates, key=_age)}

    @contextmanager
    def opened(self, filesystem: str, size: Bytes) -> Iterator[int]:
        """Open an empty file system of this kind and size; raise NotSupported, SizeOutOfRange, ToolFailed, PoolFull, Busy."""
        if filesystem not in FILESYSTEMS:
            raise NotSupported(f"{filesystem!r} is not a file system for volumes; choose {' or '.join(FILESYSTEMS)}")
        if size < FILESYSTEMS[filesystem].smallest:
            raise SizeOutOfRange(
                f"{filesystem} needs a volume of at least {FILESYSTEMS[filesystem].smallest}, not {size}"
            )
        path = self._disk.templates / f"{filesystem}-{int(size)}"
        with on_disk(f"keep the template {path.name}"):
            fd = self._found_or_made(filesystem, path, size)
        with closing(fd):
            self._note_use(path.name)
            yield fd

    def _found_or_made(self, filesystem: str, path: Path, size: Bytes) -> int:
        with suppress(FileNotFoundError):
            return _opened(path)
        with self._locks.held([f"template {path.name}"]):
            with suppress(FileNotFoundError):
                return _opened(path)
            return self._made(filesystem, path, size)

    def _made(self, filesystem: str, path: Path, size: Bytes) -> int:
        """Make a template, and give it open: by its name it might be gone again."""
        fd = unnamed_file(self._disk.templates)
        try:
            os.ftruncate(fd, size)
            make_in_file(self._runner, Path(f"/proc/{os.getpid()}/fd/{fd}"), filesystem, label=_LABEL)
            os.fsync(fd)
            failpoint("loopfile.create.template-made")
            give_name(fd, path)
            failpoint("loopfile.create.template-named")
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _note_use(self, name: str) -> None:
        """Let the templates go that were not used for longest; who has one open keeps it."""
        with self._mutex:
            self._used.pop(name, None)
            self._used[name] = None
            for old in list(self._used)[: -self._most]:
                del self._used[old]
                with suppress(OSError):
                    (self._disk.templates / old).unlink()


def is_template(name: str) -> bool:
    """Tell whether a file of this name is one of ours."""
    return _NAME.fullmatch(name) is not None


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)


def _age(path: Path) -> int:
    return path.stat().st_atime_ns
