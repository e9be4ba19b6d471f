"""What an ext4 says of itself that decides whether it can grow, read from its superblock.

resize2fs does not always reach the end of the device: a last block group too small for its
own tables is left out (lib/ext2fs and resize/resize2fs.c, `adjust_fs_info`). The same sum is
done here, since otherwise such a file system would be "too small" for ever.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

_AT = 1024
_LENGTH = 1024
_MAGIC = 0xEF53
_NEEDS_RECOVERY = 0x4
_IS_64BIT = 0x80
_LEFT_OUT_BELOW = 50  # blocks besides its tables that resize2fs wants in a last group
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Ext4Superblock:
    """The sizes are in blocks of `block_size` bytes, but `inode_size` in bytes; `dirty` says its journal must be replayed."""

    block_size: int
    blocks: int
    first_block: int
    blocks_per_group: int
    inodes_per_group: int
    inode_size: int
    reserved_descriptors: int
    dirty: bool

    def blocks_possible(self, device_size: int) -> int:
        """Give how many blocks resize2fs would reach on a device of so many bytes."""
        blocks = device_size // self.block_size
        blocks -= blocks % max(1, _PAGE // self.block_size)
        last_group = (blocks - self.first_block) % self.blocks_per_group
        return blocks - last_group if last_group < self._smallest_group(blocks) else blocks

    def _smallest_group(self, blocks: int) -> int:
        inode_table = -(-self.inodes_per_group * self.inode_size // self.block_size)
        groups = -(-blocks // self.blocks_per_group)
        descriptors = -(-groups * 64 // self.block_size)
        return 3 + inode_table + descriptors + self.reserved_descriptors + _LEFT_OUT_BELOW


def read_ext4(fd: int) -> Ext4Superblock | None:
    """Read the superblock of an open device, None when there is no ext4 on it; raise OSError."""
    block = os.pread(fd, _LENGTH, _AT)
    if len(block) < _LENGTH or _short(block, 0x38) != _MAGIC:
        return None
    features = _word(block, 0x60)
    return Ext4Superblock(
        block_size=1024 << _word(block, 0x18),
        blocks=_word(block, 0x4) | (_word(block, 0x150) << 32 if features & _IS_64BIT else 0),
        first_block=_word(block, 0x14),
        blocks_per_group=_word(block, 0x20),
        inodes_per_group=_word(block, 0x28),
        inode_size=_short(block, 0x58),
        reserved_descriptors=_short(block, 0xCE),
        dirty=bool(features & _NEEDS_RECOVERY),
    )


def _word(block: bytes, at: int) -> int:
    value: int = struct.unpack_from("<I", block, at)[0]
    return value


def _short(block: bytes, at: int) -> int:
    value: int = struct.unpack_from("<H", block, at)[0]
    return value
