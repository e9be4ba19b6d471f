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
from pathlib import Path

from rokcsi.model.errors import NotSupported, SizeOutOfRange
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.sizes import Bytes
from rokcsi.pools.loopfile.disk import Disk, closing, on_disk
from rokcsi.system.command import Runner
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.linking import give_name, unnamed_file
from rokcsi.system.make_filesystem import make_in_file

declare("loopfile.create.template-made", "loopfile.create.template-named")

_NAME = re.compile(rf"(?:{'|'.join(FILESYSTEMS)})-[0-9]+")
_LABEL = "rokcsi"


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
        if filesystem not in FILESYSTEMS:
            raise NotSupported(f"{filesystem!r} is not a file system for volumes; choose {' or '.join(FILESYSTEMS)}")
        if size < FILESYSTEMS[filesystem].smallest:
            raise SizeOutOfRange(
                f"{filesystem} needs a volume of at least {FILESYSTEMS[filesystem].smallest}, not {size}"
            )
        path = self._disk.templates / f"{filesystem}-{int(size)}"
        with self._lock_of(path.name), on_disk(f"keep the template {path.name}"):
            if not path.exists():
                self._make(filesystem, path, size)
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

    def _make(self, filesystem: str, path: Path, size: Bytes) -> None:
        with closing(unnamed_file(self._disk.templates)) as fd:
            os.ftruncate(fd, size)
            make_in_file(self._runner, Path(f"/proc/{os.getpid()}/fd/{fd}"), filesystem, label=_LABEL)
            os.fsync(fd)
            failpoint("loopfile.create.template-made")
            give_name(fd, path)
            failpoint("loopfile.create.template-named")


def is_template(name: str) -> bool:
    """Tell whether a file of this name is one of ours."""
    return _NAME.fullmatch(name) is not None


def _age(path: Path) -> int:
    return path.stat().st_atime_ns
