"""The loop-file pool in the contract suite: in its own image (as on ext4), and straight on btrfs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system import failpoints
from tests.contract.harness import PoolHarness
from tests.fakes.loop_file_pools import LoopFilePools, loop_file_pools


class LoopFileHarness:
    """One loop-file pool."""

    def __init__(self, pools: LoopFilePools) -> None:
        self._pools = pools

    def open(self) -> Pool:
        """Begin with an empty folder."""
        return self._pools.open()

    def reopen(self, pool: Pool) -> Pool:
        """Let go of the lock only, as a killed process does."""
        return self._pools.reopen(_loop_file(pool))

    @contextmanager
    def in_use(self, pool: Pool, id: VolumeId) -> Iterator[None]:
        """Hold the block device open."""
        fd = os.open(pool.attach(id), os.O_RDWR)
        try:
            yield
        finally:
            os.close(fd)

    def failing_cut(self, pool: Pool, member: int) -> AbstractContextManager[None]:
        """Fail once this member has its name."""
        return failpoints.failing("loopfile.cut.named", Damaged("as the test wants it"), visit=member + 1)

    def strays(self, pool: Pool) -> list[str]:
        """Name unknown files, and loops over deleted ones."""
        found = [leftover for leftover in _loop_file(pool).leftovers() if "is attached" not in leftover.why]
        expected = {"pool.json", "pool.xfs", "mnt", "volumes", "snapshots", "templates"}
        others = [entry.name for entry in self._pools.place.iterdir() if entry.name not in expected]
        return [str(leftover.where) for leftover in found] + others

    def close(self) -> None:
        """Let go of everything."""
        self._pools.close()


def _loop_file(pool: Pool) -> LoopFilePool:
    assert isinstance(pool, LoopFilePool)
    return pool


@contextmanager
def loopfile(folder: Path) -> Iterator[PoolHarness]:
    """Give a pool on whatever the folder is on; without reflinks there, in its image."""
    with loop_file_pools(folder) as pools:
        yield LoopFileHarness(pools)


@contextmanager
def loopfile_on_btrfs(folder: Path) -> Iterator[PoolHarness]:
    """Give a pool straight in a folder of a btrfs."""
    with loop_file_pools(folder, host="btrfs") as pools:
        yield LoopFileHarness(pools)
