"""The folder a pool is given: whose it is, which pool it is, and whether its file system can share blocks.

Called once, when the pool is opened. `pool.json` holds the pool's identity, and the lock
that keeps a second driver out for as long as the first one lives.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

from rokcsi.model.errors import Damaged, InvalidRequest, NotSupported, PoolTaken
from rokcsi.model.ids import PoolId
from rokcsi.pools.loopfile.disk import closing, on_disk
from rokcsi.system.file_locks import holder_of, lock_alone
from rokcsi.system.ioctls import clone_file
from rokcsi.system.linking import flush_folder, unnamed_file

_VERSION = 1
_NO_SHARING = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS})
_BLOCK = 4096


class LockedFolder:
    """The pool's folder, held by this driver alone until `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_absolute():
            raise InvalidRequest(f"the pool's folder must be an absolute path, not {path}")
        if path.exists() and not path.is_dir():
            raise InvalidRequest(f"{path} is not a folder; give the pool a folder of its own")
        with on_disk(f"open the pool's folder {path}"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "pool.json", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(self._lock, path)
            self.id = self._identity()
            with on_disk(f"keep {path}/pool.json"):
                # Also when it was read: who wrote it may have been killed before this.
                os.fsync(self._lock)
                flush_folder(path)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let another driver have the folder."""
        os.close(self._lock)

    def _identity(self) -> PoolId:
        text = os.pread(self._lock, 4096, 0)
        if not text.strip(b"\0 \n"):
            return self._new_identity()
        try:
            fields = json.loads(text)
            version, id_ = fields["version"], PoolId(fields["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(
                f"{self.path}/pool.json cannot be read ({error}); restore it: it holds the pool's id"
            ) from error
        if version > _VERSION:
            raise Damaged(f"{self.path} was made by a newer rokcsi (layout {version}); open it with that version")
        return id_

    def _new_identity(self) -> PoolId:
        if any((self.path / name).exists() for name in ("volumes", "pool.xfs")):
            raise Damaged(f"{self.path} holds a pool, but its pool.json is empty; restore it: it holds the pool's id")
        id_ = PoolId.fresh()
        with on_disk(f"write {self.path}/pool.json"):
            os.pwrite(self._lock, json.dumps({"version": _VERSION, "id": id_}).encode() + b"\n", 0)
        return id_


def shares_blocks(folder: Path) -> bool:
    """Tell whether the folder's file system can reflink; raise NotSupported when it cannot even hold unnamed files."""
    try:
        first = unnamed_file(folder)
    except OSError as error:
        if error.errno in _NO_SHARING or error.errno == errno.EISDIR:
            raise NotSupported(
                f"the file system of {folder} cannot hold a pool; use one on XFS, btrfs or ext4"
            ) from error
        raise
    with closing(first), closing(unnamed_file(folder)) as second:
        os.pwrite(first, bytes(_BLOCK), 0)
        try:
            clone_file(second, first)
        except OSError as error:
            if error.errno in _NO_SHARING:
                return False
            raise
    return True


def _lock(fd: int, path: Path) -> None:
    if not lock_alone(fd):
        pid = holder_of(fd)
        holder = "another process" if pid is None else f"process {pid}"
        raise PoolTaken(f"the pool {path} is served by {holder} already; stop that one, or use another folder")
