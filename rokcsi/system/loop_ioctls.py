"""The loop driver's ioctl(2) requests as typed functions; see loop(4) and linux/loop.h.

Called by `loops` only. Every function raises OSError with the kernel's errno.
"""

from __future__ import annotations

import fcntl
import struct
from dataclasses import dataclass

_CLR_FD = 0x4C01
_SET_STATUS64 = 0x4C04
_GET_STATUS64 = 0x4C05
_SET_CAPACITY = 0x4C07
_CONFIGURE = 0x4C0A
_CTL_GET_FREE = 0x4C82
_STATUS = struct.Struct("=5Q4I64s64s32s2Q")
_CONFIG_HEAD = struct.Struct("=2I")
_CONFIG_RESERVED = 64
_READ_ONLY = 1
_AUTOCLEAR = 4
_DIRECT_IO = 16


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """What a loop device is over: the file's `device` and `inode` as in stat(2); `lingering` will vanish when let go."""

    device: int
    inode: int
    lingering: bool


def next_free_loop(control: int) -> int:
    """Give the number of a loop device that is free now, made when there is none; another caller may take it first."""
    return fcntl.ioctl(control, _CTL_GET_FREE)


def bind_loop(loop: int, file: int, *, name: str, direct: bool) -> None:
    """Put a loop device over a file; EBUSY when the device was taken meanwhile. `name` is for people to see."""
    shown = name.encode(errors="replace")[:63]
    status = _STATUS.pack(0, 0, 0, 0, 0, 0, 0, 0, _DIRECT_IO if direct else 0, shown, b"", b"", 0, 0)
    fcntl.ioctl(loop, _CONFIGURE, _CONFIG_HEAD.pack(file, 0) + status + bytes(_CONFIG_RESERVED))


def loop_status(loop: int) -> LoopStatus | None:
    """Tell what a loop device is over, None when it is free (ENXIO)."""
    try:
        fields = _STATUS.unpack(fcntl.ioctl(loop, _GET_STATUS64, bytes(_STATUS.size)))
    except OSError:
        return None
    return LoopStatus(device=fields[0], inode=fields[1], lingering=bool(fields[8] & _AUTOCLEAR))


def keep_loop(loop: int) -> None:
    """Take back that a device vanishes when it is let go."""
    fields = list(_STATUS.unpack(fcntl.ioctl(loop, _GET_STATUS64, bytes(_STATUS.size))))
    fields[8] &= ~_AUTOCLEAR
    fcntl.ioctl(loop, _SET_STATUS64, _STATUS.pack(*fields))


def release_loop(loop: int) -> None:
    """Take a loop device off its file once the last holder lets go of it; this succeeds also while it is held."""
    fcntl.ioctl(loop, _CLR_FD, 0)


def follow_file_size(loop: int) -> None:
    """Let the device be as large as its file has become."""
    fcntl.ioctl(loop, _SET_CAPACITY, 0)
