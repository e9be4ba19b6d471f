"""Thin devices by device-mapper messages, in a thin pool that LVM made and keeps no volumes in."""

from __future__ import annotations

from rokcsi.model.pool import Pool
from rokcsi.model.pool_making import PoolMaker
from rokcsi.pools.lvm_direct.lvm_side import LvmCommands
from rokcsi.pools.lvm_direct.pool import LvmDirectPool
from rokcsi.pools.specification import PoolSpecification
from rokcsi.system.command import HostRunner
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.lvm import Lvm
from rokcsi.system.suspending import Suspender
from rokcsi.wiring.technologies import Opening
from rokcsi.wiring.technologies.thin_pools import has_thin_pool, thin_pool_maker


class LvmDirectTechnology:
    """Opens lvm-direct pools, and makes one in a thin pool that is nobody's."""

    def open(self, opening: Opening) -> Pool:
        """Open the pool in the thin pool, or make ours there."""
        group, thin_pool = opening.where.parts
        mapper = DeviceMapper()
        suspender = Suspender(mapper, opening.table, crew=opening.freezer.crew)
        lvm = LvmCommands(Lvm(HostRunner(), group))
        try:
            return LvmDirectPool.open(group, thin_pool, lvm=lvm, mapper=mapper, suspender=suspender)
        except BaseException:
            suspender.close()
            raise

    def exists(self, where: PoolSpecification) -> bool:
        """Tell whether LVM has the thin pool."""
        return has_thin_pool(where)

    def maker(self, where: PoolSpecification) -> PoolMaker:
        """Give what makes a thin pool."""
        return thin_pool_maker(where)
