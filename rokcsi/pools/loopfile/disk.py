"""Where the pool's files lie, how they reach the disk, and what the kernel's refusals mean.

Called by every other file of this folder. One flush makes several files durable where the
file system writes one log in order (XFS); elsewhere the whole file system is flushed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import PoolFull, SizeOutOfRange, SystemCallFailed, ToolFailed
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.system.ioctls import xfs_geometry
from rokcsi.system.linking import flush_filesystem, flush_folder

SNAPSHOT_MODE = 0o400
_NO_ROOM = "no room is left to {}; delete snapshots or volumes, or enlarge the pool"


@dataclass(frozen=True, slots=True)
class Disk:
    """The folder in which the pool's files lie; `ordered` tells that its file system logs all changes in order."""

    root: Path
    ordered: bool

    @classmethod
    def prepared(cls, root: Path) -> Disk:
        """Make the three folders where they are missing; raise SystemCallFailed, PoolFull."""
        with on_disk(f"prepare {root}"):
            for name in ("volumes", "snapshots", "templates"):
                (root / name).mkdir(mode=0o700, exist_ok=True)
            flush_folder(root)
        return cls(root, _is_xfs(root))

    @property
    def volumes(self) -> Path:
        """The folder of volumes."""
        return self.root / "volumes"

    @property
    def snapshots(self) -> Path:
        """The folder of snapshots."""
        return self.root / "snapshots"

    @property
    def templates(self) -> Path:
        """The folder of empty file systems, ready to be cloned."""
        return self.root / "templates"

    def volume(self, id: VolumeId) -> Path:
        """The file of one volume."""
        return self.volumes / id

    def snapshot(self, id: SnapshotId) -> Path:
        """The file of one snapshot."""
        return self.snapshots / id

    def flush_up_to(self, last: int) -> None:
        """Make all changes durable that came before the last change of this open file, and that one."""
        # xfs_file_fsync forces the log up to this inode's last checkpoint, and the log is written in order.
        if self.ordered:
            os.fsync(last)
        else:
            flush_filesystem(last)

    def flush_names(self, folder: Path) -> None:
        """Make durable what was unlinked in a folder, and all that came before."""
        if self.ordered:
            flush_folder(folder)
        else:
            with opened(folder) as fd:
                flush_filesystem(fd)


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Open a file of the pool for the length of a block."""
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def closing(fd: int) -> Iterator[int]:
    """Close a descriptor at the end of a block."""
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def on_disk(deed: str) -> Iterator[None]:
    """Turn what the kernel refuses, us or a program, into PoolFull, SizeOutOfRange or SystemCallFailed.

    `deed` says what was tried.
    """
    try:
        yield
    except ToolFailed as failure:
        # Programs run in English here (LC_ALL=C).
        if os.strerror(errno.ENOSPC) not in str(failure):
            raise
        raise PoolFull(_NO_ROOM.format(deed)) from failure
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise PoolFull(_NO_ROOM.format(deed)) from error
        if error.errno == errno.EFBIG:
            raise SizeOutOfRange(f"the pool's file system cannot {deed}: that is too large; ask for less") from error
        raise SystemCallFailed(f"could not {deed}: {error.strerror or error}") from error


def _is_xfs(root: Path) -> bool:
    with opened(root) as fd:
        try:
            return xfs_geometry(fd).blocks > 0
        except OSError:
            return False
