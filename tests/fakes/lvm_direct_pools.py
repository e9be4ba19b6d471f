"""Pools of the kind lvm-direct in thin pools of a test's own volume group."""

from __future__ import annotations

from contextlib import suppress

from rokcsi.model.errors import RokcsiError
from rokcsi.pools.lvm_direct import LvmDirectPool
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.mounts import MountTable
from rokcsi.system.suspending import Suspender
from tests.fakes.volume_groups import VolumeGroup

MEBIBYTES = 1024


class LvmDirectPools:
    """One thin pool, and the drivers that serve it one after the other."""

    def __init__(self, group: VolumeGroup, mebibytes: int = MEBIBYTES, metadata: int = 8) -> None:
        self.group = group
        self.thin_pool = "thin"
        group.thin_pool(self.thin_pool, mebibytes, "--errorwhenfull", "y", metadata=metadata)
        self._serving: LvmDirectPool | None = None

    def open(self) -> LvmDirectPool:
        """Start a driver."""
        mapper = DeviceMapper()
        suspender = Suspender(mapper, MountTable())
        self._serving = LvmDirectPool.open(
            self.group.name, self.thin_pool, lvm=self.group.lvm, mapper=mapper, suspender=suspender
        )
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

    def close(self) -> None:
        """End the driver, and see whether the thin pool's metadata is sound."""
        self.kill()
        with suppress(RokcsiError):
            self.group.let_go()
        self.group.thin_check(self.thin_pool)
