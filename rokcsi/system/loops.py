"""Loop devices: a file seen as a block device, never by two devices at once.

Called by the loop-file pool, which locks each file's calls. Two loops over one file are two
caches, which is corruption; so a file that anybody writes is looked for among all loops of
the machine (by device and inode, since paths differ between mount namespaces), and the loop
found is used. A loop let go while it is held answers "done" and lingers: that is noticed,
taken back, and raised as StillInUse.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import Damaged, StillInUse, SystemCallFailed
from rokcsi.system import loop_ioctls
from rokcsi.system.ioctls import block_device_readonly, block_device_size, set_block_device_readonly
from rokcsi.system.leases import may_be_written

_CONTROL = Path("/dev/loop-control")
_SYSFS = Path("/sys/block")
_LOOP_MAJOR = 7
_RACES = 100
_PATIENCE_SECONDS = 2.0  # udev opens every device that changes for a moment, which is long on a busy machine

FileKey = tuple[int, int]
"""A file's st_dev and st_ino: what it is, whatever its path."""


@dataclass(frozen=True, slots=True)
class LoopDevice:
    """A loop device of this machine, by its number."""

    number: int

    @property
    def path(self) -> Path:
        """Its device node."""
        return Path(f"/dev/loop{self.number}")

    @property
    def device(self) -> int:
        """Its device number, as in st_rdev of its node and st_dev of the files mounted from it."""
        return os.makedev(_LOOP_MAJOR, self.number)


def key_of(path: Path) -> FileKey:
    """Give what a file is; raise OSError."""
    found = os.stat(path, follow_symlinks=False)
    return (found.st_dev, found.st_ino)


def attached_loops() -> dict[FileKey, LoopDevice]:
    """Give all loops of the machine that are over a file, by that file."""
    found: dict[FileKey, LoopDevice] = {}
    for entry in os.scandir(_SYSFS):
        number = entry.name.removeprefix("loop")
        if number.isdecimal() and os.path.exists(f"{entry.path}/loop/backing_file"):
            loop = LoopDevice(int(number))
            status = status_of(loop)
            if status is not None:
                found[status.device, status.inode] = loop
    return found


def status_of(loop: LoopDevice) -> loop_ioctls.LoopStatus | None:
    """Tell what a loop is over, None when it is over nothing."""
    try:
        with _opened(loop, os.O_RDONLY) as fd:
            return loop_ioctls.loop_status(fd)
    except OSError:
        return None


def is_over(loop: LoopDevice, key: FileKey) -> bool:
    """Tell whether this loop shows this file."""
    status = status_of(loop)
    return status is not None and (status.device, status.inode) == key


def attach(path: Path, *, direct: bool = False) -> LoopDevice:
    """Give the one loop over a file, made when there is none; raise SystemCallFailed.

    `direct` goes past the page cache: for a file that is read through a file system's own.
    """
    try:
        if may_be_written(path):
            found = attached_loops().get(key_of(path))
            if found is not None and settle(found, path):
                return found
        return _attach_anew(path, direct=direct)
    except OSError as error:
        raise SystemCallFailed(
            f"no loop device could be put over {path}: {error.strerror}; is this root, and the loop driver there?"
        ) from error


def settle(loop: LoopDevice, path: Path) -> bool:
    """Make a loop that was found as good as a new one: lasting, and as large as its file; False when it is gone by now."""
    with _opened(loop, os.O_RDONLY) as fd:
        status = loop_ioctls.loop_status(fd)
        file = os.stat(path, follow_symlinks=False)
        if status is None or (status.device, status.inode) != (file.st_dev, file.st_ino):
            return False
        if status.lingering:
            loop_ioctls.keep_loop(fd)
        if block_device_size(fd) != file.st_size:
            loop_ioctls.follow_file_size(fd)
    return True


def grow(loop: LoopDevice) -> None:
    """Let a loop be as large as its file has become; raise SystemCallFailed."""
    try:
        with _opened(loop, os.O_RDONLY) as fd:
            loop_ioctls.follow_file_size(fd)
    except OSError as error:
        raise SystemCallFailed(f"{loop.path} did not take the new size of its file: {error.strerror}") from error


def is_claimed(loop: LoopDevice) -> bool:
    """Tell whether a file system, or anything else, has the device for itself (open(2), O_EXCL on a block device)."""
    try:
        with _opened(loop, os.O_RDONLY | os.O_EXCL):
            return False
    except OSError as error:
        if error.errno == errno.EBUSY:
            return True
        raise SystemCallFailed(f"{loop.path} cannot be opened: {error.strerror}") from error


def detach(loop: LoopDevice, key: FileKey) -> None:
    """Take a loop off the file it is over; nothing happens when it is over another. Raises StillInUse."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while is_over(loop, key):
        if is_claimed(loop) or not _let_go(loop, key):
            if time.monotonic() > until:
                raise StillInUse(f"{loop.path} is held: unmount it, or close what has it open, and try again")
            time.sleep(0.01)


def detach_in_time(loop: LoopDevice, key: FileKey) -> None:
    """Take a loop off the file it is over as `detach` does; where it is held, it goes with the last who holds it."""
    try:
        detach(loop, key)
    except StillInUse:
        with _opened(loop, os.O_RDONLY) as fd:
            loop_ioctls.release_loop(fd)


def flush(loop: LoopDevice) -> None:
    """Write out what was written to the device and not yet to its file; raise OSError."""
    with _opened(loop, os.O_RDONLY) as fd:
        os.fsync(fd)


def _let_go(loop: LoopDevice, key: FileKey) -> bool:
    """Release the device, and tell whether it really went; if not, it stays as it was."""
    try:
        with _opened(loop, os.O_RDONLY) as fd:
            status = loop_ioctls.loop_status(fd)
            if status is None or (status.device, status.inode) != key:
                return True
            readonly = block_device_readonly(fd)
            set_block_device_readonly(fd, readonly=False)
            loop_ioctls.release_loop(fd)
        # The device goes with the last descriptor; who still has one, keeps it.
        with _opened(loop, os.O_RDONLY) as fd:
            status = loop_ioctls.loop_status(fd)
            if status is None or (status.device, status.inode) != key:
                return True
            loop_ioctls.keep_loop(fd)
            set_block_device_readonly(fd, readonly=readonly)
    except OSError as error:
        if error.errno in {errno.ENXIO, errno.EBUSY}:
            return False
        raise SystemCallFailed(f"{loop.path} could not be taken away: {error.strerror}") from error
    return False


def _attach_anew(path: Path, *, direct: bool) -> LoopDevice:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
        try:
            return _over_a_free_loop(control, file, path, direct=direct)
        finally:
            os.close(control)
    finally:
        os.close(file)


def _over_a_free_loop(control: int, file: int, path: Path, *, direct: bool) -> LoopDevice:
    for _ in range(_RACES):
        loop = LoopDevice(loop_ioctls.next_free_loop(control))
        try:
            with _opened(loop, os.O_RDWR) as fd:
                loop_ioctls.bind_loop(fd, file, name=str(path), direct=direct)
                # A device number keeps BLKROSET beyond its file: what somebody set for the last one is not for this.
                set_block_device_readonly(fd, readonly=False)
        except OSError as error:
            if error.errno not in {errno.EBUSY, errno.ENXIO}:
                raise
        else:
            return loop
    raise Damaged(f"others took every free loop device before {path} could have one; try again")


@contextmanager
def _opened(loop: LoopDevice, flags: int) -> Iterator[int]:
    try:
        fd = os.open(loop.path, flags | os.O_CLOEXEC)
    except FileNotFoundError:
        # A container's /dev does not get the nodes of devices made since it was started.
        os.mknod(loop.path, 0o660 | stat.S_IFBLK, loop.device)
        fd = os.open(loop.path, flags | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
