"""A block device written past the page cache (O_DIRECT): what was written is on the device, what was flushed stays there.

Called by pools that keep records on a device of their own. A page cache would say once that
writing had failed and then forget it; here each write fails by itself.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from rokcsi.system.file_locks import holder_of, lock_alone
from rokcsi.system.ioctls import block_device_size

_LARGEST_TRANSFER = 1 << 20


class DirectDevice:
    """A block device that this process has alone; offsets and lengths are multiples of its block, 4096 to be safe.

    One caller at a time reads or writes; `flush` may go on beside.
    """

    def __init__(self, path: Path) -> None:
        """Open the device; raise OSError, EBUSY when the kernel or another process claims it."""
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_EXCL | os.O_CLOEXEC)
        # O_EXCL keeps others out; the lock tells them who we are.
        lock_alone(self._fd)
        self._buffer = mmap.mmap(-1, _LARGEST_TRANSFER)

    @property
    def size(self) -> int:
        """The device's size in bytes."""
        return block_device_size(self._fd)

    def read(self, offset: int, length: int) -> bytes:
        """Read that much from there; raise OSError, EIO when the device ends before."""
        parts = []
        for at in range(offset, offset + length, _LARGEST_TRANSFER):
            size = min(_LARGEST_TRANSFER, offset + length - at)
            view = memoryview(self._buffer)[:size]
            if os.preadv(self._fd, [view], at) != size:
                raise OSError(5, f"{self.path} ends before byte {at + size}")
            parts.append(bytes(view))
        return b"".join(parts)

    def write(self, offset: int, content: bytes) -> None:
        """Write the content there; it outlives a power cut only after `flush`. Raises OSError."""
        for start in range(0, len(content), _LARGEST_TRANSFER):
            part = content[start : start + _LARGEST_TRANSFER]
            self._buffer[: len(part)] = part
            view = memoryview(self._buffer)[: len(part)]
            if os.pwritev(self._fd, [view], offset + start) != len(part):
                raise OSError(5, f"{self.path} took only a part of what was written at byte {offset + start}")

    def flush(self) -> None:
        """Make everything durable that was written before; raise OSError."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Let others have the device."""
        os.close(self._fd)


def user_of(path: Path) -> int | None:
    """Give the process that has a device through a DirectDevice; None when nobody has, or it cannot be seen from here."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return holder_of(fd)
    finally:
        os.close(fd)
