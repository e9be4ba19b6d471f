"""The lvm-direct pool under the contract: each time in a new thin pool, whose metadata is checked at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.pools.lvm_direct import LvmDirectPool
from rokcsi.pools.lvm_direct.founding import devices_in
from rokcsi.system import failpoints
from tests.contract.harness import PoolHarness
from tests.fakes.lvm_direct_pools import LvmDirectPools
from tests.fakes.thin_pools import thin_pool_on_a_disk

_PLACES_OF_FAILURE = ("lvm-direct.cut.made",)


class LvmDirectHarness:
    """One lvm-direct pool."""

    def __init__(self, pools: LvmDirectPools) -> None:
        self._pools = pools

    def open(self) -> Pool:
        """Begin with a new thin pool."""
        return self._pools.open()

    def reopen(self, pool: Pool) -> Pool:
        """Let go of the journal's device only, as a killed process does."""
        return self._pools.reopen(_direct(pool))

    @contextmanager
    def in_use(self, pool: Pool, id: VolumeId) -> Iterator[None]:
        """Claim the block device, as the kernel does for a mount."""
        fd = os.open(pool.attach(id), os.O_RDONLY | os.O_EXCL)
        try:
            yield
        finally:
            os.close(fd)

    def failing_cuts(self, pool: Pool, member: int) -> Sequence[AbstractContextManager[None]]:
        """Fail once this member has its thin device, and once all have and nothing is written down yet."""
        error = Damaged("as the test wants it")
        places = [failpoints.failing(place, error, visit=member + 1) for place in _PLACES_OF_FAILURE]
        return [*places, failpoints.failing("lvm-direct.cut.resumed", error)]

    def counted(self) -> None:
        """A durable write is counted."""

    def strays(self, pool: Pool) -> list[str]:
        """Name thin devices without a record, and block devices of no volume."""
        strict = _direct(pool)
        known = {0, *strict._ledger.devices().values()}
        unknown = [f"thin device {device.id}" for device in devices_in(strict._pool) if device.id not in known]
        return unknown + [str(it.where) for it in strict.leftovers() if "is attached" not in it.why]

    def close(self) -> None:
        """End the driver."""
        self._pools.kill()


def _direct(pool: Pool) -> LvmDirectPool:
    assert isinstance(pool, LvmDirectPool)
    return pool


@contextmanager
def lvm_direct(folder: Path) -> Iterator[PoolHarness]:
    """Give a pool in a volume group over a disk in a folder."""
    with thin_pool_on_a_disk(folder) as pool:
        harness = LvmDirectHarness(LvmDirectPools(pool.group, pool.thin_pool))
        try:
            yield harness
        finally:
            harness.close()
