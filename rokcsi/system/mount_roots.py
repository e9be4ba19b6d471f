"""Is this very place a mount point? Asked of one open path, whatever else is mounted.

statx(2) says so since Linux 5.8 in one call; /proc/self/mountinfo would say so too, but
takes longer with every pod on the node.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass

_AT_EMPTY_PATH = 0x1000
_STATX_TYPE = 0x1
_MOUNT_ROOT = 0x2000
_STATX = struct.Struct("=8xQ40xQ64x4I112x")  # attributes, attributes_mask, rdev major/minor, dev major/minor

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Place:
    """What is at a path: `device` is that of its file system, `special` the one that a device node stands for.

    `mount_root` tells whether something is mounted here; None where the kernel cannot say.
    """

    device: int
    special: int
    mount_root: bool | None


def place(fd: int) -> Place:
    """Describe what an open descriptor (O_PATH will do) refers to; raise OSError."""
    answer = ctypes.create_string_buffer(_STATX.size)
    if _libc.statx(fd, b"", _AT_EMPTY_PATH, _STATX_TYPE, answer) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    attributes, known, special_major, special_minor, major, minor = _STATX.unpack(answer.raw)
    return Place(
        device=os.makedev(major, minor),
        special=os.makedev(special_major, special_minor),
        mount_root=bool(attributes & _MOUNT_ROOT) if known & _MOUNT_ROOT else None,
    )
