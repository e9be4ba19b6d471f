"""The pool of logical volumes, in an LVM thin pool."""

from __future__ import annotations

from rokcsi.model.pool import Pool
from rokcsi.model.pool_making import PoolMaker
from rokcsi.pools.lvm.making import ThinPoolMaker
from rokcsi.pools.lvm.pool import LvmPool
from rokcsi.pools.specification import PoolSpecification
from rokcsi.system.command import HostRunner
from rokcsi.system.lvm import Lvm
from rokcsi.system.lvm_refusals import LvmRefused, Reason
from rokcsi.wiring.technologies import Opening


class LvmTechnology:
    """Opens thin pools that are there already: their first opening makes them ours."""

    def open(self, opening: Opening) -> Pool:
        """Open the thin pool."""
        group, pool = opening.where.parts
        return LvmPool.open(group, pool, points=opening.table, locks=opening.locks)

    def exists(self, where: PoolSpecification) -> bool:
        """Tell whether the volume group has such a thin pool."""
        group, pool = where.parts
        try:
            report = Lvm(HostRunner(), group).report()
        except LvmRefused as refused:
            if refused.reason in {Reason.NO_GROUP, Reason.NO_POOL}:
                return False
            raise
        return pool in report.pools

    def maker(self, where: PoolSpecification) -> PoolMaker:
        """Give what makes a thin pool."""
        return ThinPoolMaker(*where.parts, HostRunner())
