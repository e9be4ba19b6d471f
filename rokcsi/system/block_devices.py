"""What one asks of a block device: its node by its number, how large it is, who has it, to refuse writing (BLKROSET), and to flush it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rokcsi.model.sizes import Bytes
from rokcsi.system.ioctls import block_device_readonly, block_device_size, set_block_device_readonly


def node_of_number(number: str) -> Path:
    """Give the kernel's own node of a block device by its number, written `MAJOR:MINOR`; raise OSError."""
    # Not /dev/block, whose links udev makes, and late.
    return Path("/dev", os.path.basename(os.readlink(f"/sys/dev/block/{number}")))


def device_size(device: Path) -> Bytes:
    """Give a block device's size; raise OSError, ENOTTY for anything else."""
    with _opened(device) as fd:
        return block_device_size(fd)


def refuses_writing(device: Path) -> bool:
    """Tell whether a block device refuses to be written to; raise OSError."""
    with _opened(device) as fd:
        return block_device_readonly(fd)


def refuse_writing(device: Path, *, refuse: bool) -> None:
    """Let every write to a block device fail with EPERM (BLKROSET), also of those who have it open, or no longer."""
    with _opened(device) as fd:
        set_block_device_readonly(fd, readonly=refuse)


def is_claimed(device: Path) -> bool:
    """Tell whether a file system, or anything else, has a block device for itself (open(2), O_EXCL); raise OSError."""
    try:
        with _opened(device, os.O_EXCL):
            return False
    except OSError as error:
        if error.errno == errno.EBUSY:
            return True
        raise


def flush(device: Path) -> None:
    """Make durable what a block device was told to write, its disks' own caches included; raise OSError."""
    with _opened(device) as fd:
        os.fsync(fd)


@contextmanager
def _opened(device: Path, flags: int = 0) -> Iterator[int]:
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        yield fd
    finally:
        os.close(fd)
