"""The drivers that serve one lvm-direct pool, one after the other."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from rokcsi.model.pool import Pool
from rokcsi.pools.admitting import Limits
from rokcsi.pools.lvm_direct import LvmDirectPool
from rokcsi.pools.lvm_direct.lvm_side import LvmSide
from rokcsi.pools.opening import served
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
from rokcsi.system.suspending import Suspender


@dataclass
class PoolWithoutLvm:
    """What the pool asks of LVM, where LVM knows nothing of its thin pool."""

    volumes: bool = False

    def activate_pool(self, name: str) -> None:
        """Nothing is done: the pool is active."""

    def has_volumes(self, name: str) -> bool:
        """Tell what the test wants to hear."""
        return self.volumes


class LvmDirectPools:
    """Opens, kills and opens again."""

    def __init__(self, group: str, thin_pool: str) -> None:
        self.group, self.thin_pool = group, thin_pool
        self.lvm: LvmSide = PoolWithoutLvm()
        self._serving: LvmDirectPool | None = None

    def open(self) -> LvmDirectPool:
        """Start a driver."""
        mapper = DeviceMapper()
        suspender = Suspender(mapper, MountTable())
        self._serving = LvmDirectPool.open(self.group, self.thin_pool, lvm=self.lvm, mapper=mapper, suspender=suspender)
        return self._serving

    def kill(self) -> None:
        """End the driver as a kill does: the kernel closes its files, and everything else stays."""
        if self._serving is not None:
            self._serving._suspender.close()
            with suppress(OSError):
                self._serving._records.close()
            self._serving = None

    def reopen(self, pool: LvmDirectPool) -> LvmDirectPool:
        """Kill the driver and start the next one."""
        assert pool is self._serving
        self.kill()
        return self.open()


def as_served(pool: LvmDirectPool) -> Pool:
    """Give a pool with the wrappers that it is served in."""
    return served(pool, Limits(overcommit=1000.0, data_limit=0.99, metadata_limit=0.99), KeyedLocks())
