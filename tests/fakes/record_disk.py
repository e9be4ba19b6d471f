"""A disk in memory for the journal: it forgets at a power cut what was not flushed, or any part of it, and fails on demand."""

from __future__ import annotations

import errno
import random
from collections.abc import Mapping

SECTOR = 512


class RecordDisk:
    """Sectors by their numbers; `cached` are those written since the last flush, each with all its versions."""

    def __init__(self, sectors: Mapping[int, bytes] | None = None) -> None:
        self.durable = dict(sectors or {})
        self.cached: list[tuple[int, bytes]] = []
        self.flushes = 0
        self.writes_left: int | None = None
        self.failing_flushes = 0
        self.room: int | None = None

    def read(self, offset: int, length: int) -> bytes:
        """Read what was written last."""
        seen = self.durable | dict(self.cached)
        return b"".join(seen.get(number, bytes(SECTOR)) for number in _sectors(offset, length))

    def write(self, offset: int, content: bytes) -> None:
        """Keep it in the cache; EIO when no writes are left, ENOSPC beyond the room."""
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise OSError(errno.EIO, "as the test wants it")
            self.writes_left -= 1
        if self.room is not None and offset + len(content) > self.room:
            raise OSError(errno.ENOSPC, "as the test wants it")
        numbers = _sectors(offset, len(content))
        self.cached += [(number, content[at * SECTOR : (at + 1) * SECTOR]) for at, number in enumerate(numbers)]

    def flush(self) -> None:
        """Make all durable; EIO as often as asked for, and then what is in the cache stays there."""
        if self.failing_flushes:
            self.failing_flushes -= 1
            raise OSError(errno.EIO, "as the test wants it")
        self.flushes += 1
        self.durable |= dict(self.cached)
        self.cached = []

    def after_a_power_cut(self, chance: random.Random | None = None) -> RecordDisk:
        """Give the disk that is found afterwards: all of the cache lost, or any of its sectors kept by chance."""
        kept = [] if chance is None else [written for written in self.cached if chance.random() < 0.5]
        return RecordDisk(self.durable | dict(kept))

    def after_a_kill(self) -> RecordDisk:
        """Give the disk that the next process finds: nothing is lost, and nothing flushed."""
        disk = RecordDisk(self.durable)
        disk.cached = list(self.cached)
        return disk


def _sectors(offset: int, length: int) -> range:
    assert offset % SECTOR == 0
    assert length % SECTOR == 0
    return range(offset // SECTOR, (offset + length) // SECTOR)
