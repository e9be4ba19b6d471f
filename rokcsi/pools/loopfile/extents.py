"""What fragmentation costs a snapshot, and how most of it is paid before the writers are stopped.

Called by `cutting`. A reflink costs some 6 µs for each extent (docs/decisions/extents.md),
but a tenth of that where the target shares the block already. So a fragmented file is
copied while it is being written, part by part; the cut then repeats the copy, and only what
has changed meanwhile is dear.
"""

from __future__ import annotations

import os
import time

from rokcsi.system.ioctls import clone_range, inode_extents, mapped_extents

_FRAGMENTED = 256  # extents; below it, the whole cut takes about a millisecond
_EXTENTS_AT_ONCE = 512  # the file's writers wait for this many, some 3 ms
_PART_UNIT = 1 << 16
_MOST_ROUNDS = 3
_SHORT_SECONDS = 0.05


def count_extents(fd: int) -> int:
    """Give the number of extents of a file."""
    try:
        # btrfs answers this, and with zero.
        return inode_extents(fd).extents or mapped_extents(fd)
    except OSError:
        return mapped_extents(fd)


def copy_ahead(target: int, source: int) -> None:
    """Share most blocks of a fragmented file that is being written with `target`, so that the cut has little left to do."""
    extents = count_extents(source)
    if extents <= _FRAGMENTED:
        return
    size = os.fstat(source).st_size
    parts = -(-extents // _EXTENTS_AT_ONCE)
    length = -(-size // parts // _PART_UNIT) * _PART_UNIT
    for _ in range(_MOST_ROUNDS):
        began = time.monotonic()
        for start in range(0, size, length):
            clone_range(target, source, start, min(length, size - start))
        if time.monotonic() - began < _SHORT_SECONDS:
            return
