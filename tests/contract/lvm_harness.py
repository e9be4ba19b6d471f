"""The pool of logical volumes under the contract: on a thin pool of its own, in a volume group over a loop disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.pools.lvm import LvmPool
from rokcsi.system import failpoints
from tests.contract.harness import PoolHarness
from tests.fakes.lvm_pools import LvmPools

_PLACES_OF_FAILURE = ("lvm.cut.group-made", "lvm.cut.copied")


class LvmHarness:
    """One pool of logical volumes."""

    def __init__(self, pools: LvmPools) -> None:
        self._pools = pools
        self._serving: LvmPool | None = None

    def open(self) -> Pool:
        """Begin with an empty thin pool."""
        self._serving = self._pools.open()
        return self._serving

    def reopen(self, pool: Pool) -> Pool:
        """Let go of the lock only, as a killed process does."""
        self._serving = self._pools.reopen(_lvm(pool))
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
        """Fail once this member's logical volume is there, and once it has its bytes."""
        error = Damaged("as the test wants it")
        return [failpoints.failing(place, error, visit=member + 1) for place in _PLACES_OF_FAILURE]

    def counted(self) -> None:
        """A durable write is counted."""

    def strays(self, pool: Pool) -> list[str]:
        """Name what nobody owns; a test may leave the devices of its volumes attached."""
        return [str(leftover.where) for leftover in _lvm(pool).leftovers() if leftover.kind != "device"]

    def close(self) -> None:
        """Let go of everything."""
        if self._serving is not None:
            self._serving.close()
        self._pools.close()


def _lvm(pool: Pool) -> LvmPool:
    assert isinstance(pool, LvmPool)
    return pool


@contextmanager
def lvm(folder: Path) -> Iterator[PoolHarness]:
    """Give a pool on a thin pool of its own."""
    _ = folder
    harness = LvmHarness(LvmPools())
    try:
        yield harness
    finally:
        harness.close()
