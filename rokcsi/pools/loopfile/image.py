"""The pool inside one file: where the host's file system cannot share blocks, an XFS that can.

Called once, when a pool is opened on such a host. The file is sparse and takes only what is
used; `discard` gives back what was deleted. It is made under another name and renamed when
complete, so that a half-made one is made again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from rokcsi.model.errors import Damaged, PoolFull, SizeOutOfRange
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.sizes import Bytes
from rokcsi.pools.loopfile.disk import on_disk, opened
from rokcsi.system import loops, mounts
from rokcsi.system.command import Runner
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.linking import flush_folder
from rokcsi.system.make_filesystem import make_in_file

declare("loopfile.image.made", "loopfile.image.named", "loopfile.image.attached", "loopfile.image.mounted")

_KIND = "xfs"
_SMALLEST = FILESYSTEMS[_KIND].smallest
_LABEL = "rokcsi-pool"
_SHARE_OF_FREE = 0.9
_WHOLE = 1 << 20
_MODE = 0o600


class PoolImage:
    """The XFS in FOLDER/pool.xfs, mounted at FOLDER/mnt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file = folder / "pool.xfs"
        self.root = folder / "mnt"

    def exists(self) -> bool:
        """Tell whether this pool lives in an image."""
        return self.file.exists()

    def mount(self, runner: Runner, size: Bytes | None) -> None:
        """Make the image if it is not there, attach it and mount it; all of that only where it is not done yet.

        `size` in bytes is for a new image; None takes nine tenths of what is free on the host.
        Raises PoolFull, SizeOutOfRange, ToolFailed, SystemCallFailed, Damaged.
        """
        if not self.exists():
            self._make(runner, size or self._default_size())
        with on_disk(f"mount {self.file}"):
            self.root.mkdir(mode=0o700, exist_ok=True)
            # Direct: the pages are cached once, in the file system above.
            loop = loops.attach(self.file, direct=True)
            failpoint("loopfile.image.attached")
            if self._shown_device() != loop.device:
                self._refuse_other_mount()
                mounts.mount(loop.path, self.root, _KIND, mounts.MS_NOATIME, "nouuid,discard")
        failpoint("loopfile.image.mounted")

    @contextmanager
    def mounted(self, runner: Runner, size: Bytes | None) -> Iterator[None]:
        """Mount the image as `mount` does; it stays mounted unless the block fails."""
        with ExitStack() as undo:
            undo.callback(self.unmount)
            self.mount(runner, size)
            yield
            undo.pop_all()

    def unmount(self) -> None:
        """Unmount and detach the image; it stays as it is while volumes in it are in use.

        Where it is also mounted in another mount namespace, that of a driver before us, it is detached when that ends.
        """
        with suppress(OSError):
            key = loops.key_of(self.file)
            loop = loops.attached_loops().get(key)
            if loop is None:
                return
            if self._shown_device() == loop.device:
                mounts.unmount(self.root)
            loops.detach_in_time(loop, key)

    def _make(self, runner: Runner, size: Bytes) -> None:
        if size < _SMALLEST:
            raise SizeOutOfRange(f"an image of {size} is too small for a pool; give it at least {_SMALLEST}")
        unfinished = self.file.with_suffix(".xfs.new")
        with on_disk(f"make {self.file}"):
            unfinished.unlink(missing_ok=True)
            with opened(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL) as fd:
                os.fchmod(fd, _MODE)
                os.ftruncate(fd, size // _WHOLE * _WHOLE)
                make_in_file(runner, unfinished, _KIND, label=_LABEL)
                os.fsync(fd)
            failpoint("loopfile.image.made")
            unfinished.rename(self.file)
            flush_folder(self._folder)
        failpoint("loopfile.image.named")

    def _default_size(self) -> Bytes:
        host = os.statvfs(self._folder)
        size = Bytes(int(host.f_bavail * host.f_frsize * _SHARE_OF_FREE))
        if size < _SMALLEST:
            raise PoolFull(f"{self._folder} has too little room for a pool: {size} of at least {_SMALLEST}")
        return size

    def _shown_device(self) -> int:
        return self.root.stat().st_dev

    def _refuse_other_mount(self) -> None:
        if self._shown_device() != self._folder.stat().st_dev:
            raise Damaged(f"something else is mounted at {self.root}; unmount it")
