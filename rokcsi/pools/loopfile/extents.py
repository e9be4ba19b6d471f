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
_LARGEST_PART = 16 << 20
_SMALLEST_PART = 256 << 10
_HELD_UP_SECONDS = 0.004  # how long the file's writers may wait for one part
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
    if count_extents(source) <= _FRAGMENTED:
        return
    for _ in range(_MOST_ROUNDS):
        began = time.monotonic()
        _copy_in_parts(target, source)
        if time.monotonic() - began < _SHORT_SECONDS:
            return


def _copy_in_parts(target: int, source: int) -> None:
    """Copy part by part, each so small that writers, who wait while one is copied, do not wait long."""
    size, start, length = os.fstat(source).st_size, 0, _LARGEST_PART
    while start < size:
        began = time.monotonic()
        clone_range(target, source, start, min(length, size - start))
        start += length
        if time.monotonic() - began > _HELD_UP_SECONDS:
            length = max(length // 2, _SMALLEST_PART)
        else:
            length = min(length * 2, _LARGEST_PART)
