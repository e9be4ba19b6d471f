"""The loop-file pool under the contract: in its own image (as on ext4), and straight on XFS and btrfs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system import failpoints
from tests.contract.harness import PoolHarness
from tests.fakes.loop_file_pools import LoopFilePools

_PLACES_OF_FAILURE = ("loopfile.cut.copied", "loopfile.cut.named")
_PARTS = frozenset({"pool.json", "pool.xfs", "mnt", "volumes", "snapshots", "templates"})


class LoopFileHarness:
    """One loop-file pool."""

    def __init__(self, pools: LoopFilePools) -> None:
        self._pools = pools
        self._serving: LoopFilePool | None = None

    def open(self) -> Pool:
        """Begin with an empty folder."""
        self._serving = self._pools.open()
        return self._serving

    def reopen(self, pool: Pool) -> Pool:
        """Let go of the lock only, as a killed process does."""
        self._serving = self._pools.reopen(_loop_file(pool))
        return self._serving

    @contextmanager
    def in_use(self, pool: Pool, id: VolumeId) -> Iterator[None]:
        """Claim the block device, as the kernel does for a mount."""
        fd = os.open(pool.attach(id), os.O_RDONLY | os.O_EXCL)
        try:
            yield
        finally:
            os.close(fd)

    def failing_cuts(self, pool: Pool, member: int) -> Sequence[AbstractContextManager[None]]:
        """Fail once this member has its bytes, and once it has its name."""
        error = Damaged("as the test wants it")
        return [failpoints.failing(place, error, visit=member + 1) for place in _PLACES_OF_FAILURE]

    def counted(self) -> None:
        """A durable write is counted."""

    def strays(self, pool: Pool) -> list[str]:
        """Name unknown files, and loops over deleted ones; a test may leave the devices of its volumes attached."""
        found = [leftover for leftover in _loop_file(pool).leftovers() if "is attached" not in leftover.why]
        others = [entry.name for entry in self._pools.place.iterdir() if entry.name not in _PARTS]
        return [str(leftover.where) for leftover in found] + others

    def close(self) -> None:
        """Let go of everything."""
        if self._serving is not None:
            self._serving._folder.release()
        self._pools.close()


def _loop_file(pool: Pool) -> LoopFilePool:
    assert isinstance(pool, LoopFilePool)
    return pool


def loopfile(host: str | None) -> Callable[[Path], AbstractContextManager[PoolHarness]]:
    """Give pools on a file system of this kind; None is whatever the folder is on, with an image where that has no reflinks."""

    @contextmanager
    def harness_in(folder: Path) -> Iterator[PoolHarness]:
        harness = LoopFileHarness(LoopFilePools(folder, host))
        try:
            yield harness
        finally:
            harness.close()

    return harness_in
