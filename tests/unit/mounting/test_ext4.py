from __future__ import annotations

from rokcsi.mounting.ext4 import Ext4Superblock

_GROUP = 32768
_BLOCK = 4096


def superblock(blocks: int = _GROUP, block_size: int = _BLOCK, first_block: int = 0) -> Ext4Superblock:
    return Ext4Superblock(
        block_size=block_size,
        blocks=blocks,
        first_block=first_block,
        blocks_per_group=_GROUP,
        inodes_per_group=8192,
        inode_size=256,
        reserved_descriptors=127,
        dirty=False,
    )


def test_a_last_group_too_small_for_its_tables_is_left_out() -> None:
    assert superblock().blocks_possible(_BLOCK * (_GROUP + 100)) == _GROUP
    assert superblock().blocks_possible(_BLOCK * (_GROUP + 1000)) == _GROUP + 1000
    assert superblock().blocks_possible(_BLOCK * 2 * _GROUP) == 2 * _GROUP


def test_half_blocks_and_half_pages_are_left_out() -> None:
    assert superblock().blocks_possible(_BLOCK * 2 * _GROUP + 4095) == 2 * _GROUP
    small = superblock(block_size=1024, first_block=1)
    assert small.blocks_possible(1024 * (_GROUP * 2 - 1)) == _GROUP * 2 - 4


def test_growing_stops_somewhere() -> None:
    for size in range(_BLOCK * _GROUP, _BLOCK * (2 * _GROUP + 2000), 997 * _BLOCK):
        reached = superblock().blocks_possible(size)
        assert superblock(reached).blocks_possible(size) == reached
