"""What a file system that is not mounted says of itself, read with one pread(2) and no program.

Called before mounting, to know whether a file system is smaller than its device. Of a
mounted XFS the answer may be old: ask `ioctls.xfs_geometry` there.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

from rokcsi.model.sizes import Bytes

_ENOUGH = 4096
_EXT4_AT = 1024
_EXT4_MAGIC = 0xEF53
_EXT4_64BIT = 0x80


class FoundFilesystem(NamedTuple):
    """A file system of this `kind` (`xfs`, `ext4`) which believes to be `size` bytes large."""

    kind: str
    size: Bytes


def filesystem_size(path: Path | int) -> FoundFilesystem | None:
    """Give the file system found on a device or file (a path or an open descriptor), None when there is no XFS or ext4.

    Raises OSError when it cannot be read.
    """
    if isinstance(path, int):
        return _read(os.pread(path, _ENOUGH, 0))
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read(os.pread(fd, _ENOUGH, 0))
    finally:
        os.close(fd)


def _read(start: bytes) -> FoundFilesystem | None:
    if len(start) < _ENOUGH:
        return None
    return _xfs(start) or _ext4(start[_EXT4_AT:])


def _xfs(block: bytes) -> FoundFilesystem | None:
    magic, block_size, blocks = struct.unpack_from(">4sIQ", block)
    return FoundFilesystem("xfs", Bytes(block_size * blocks)) if magic == b"XFSB" else None


def _ext4(block: bytes) -> FoundFilesystem | None:
    if struct.unpack_from("<H", block, 0x38)[0] != _EXT4_MAGIC:
        return None
    blocks: int = struct.unpack_from("<I", block, 0x4)[0]
    if struct.unpack_from("<I", block, 0x60)[0] & _EXT4_64BIT:
        blocks |= struct.unpack_from("<I", block, 0x150)[0] << 32
    return FoundFilesystem("ext4", Bytes(blocks << (10 + struct.unpack_from("<I", block, 0x18)[0])))
