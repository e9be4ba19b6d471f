"""The pool of logical volumes, in an LVM thin pool."""

from __future__ import annotations

from rokcsi.model.pool import Pool
from rokcsi.model.pool_making import PoolMaker
from rokcsi.pools.lvm.pool import LvmPool
from rokcsi.pools.specification import PoolSpecification
from rokcsi.wiring.technologies import Opening
from rokcsi.wiring.technologies.thin_pools import has_thin_pool, thin_pool_maker


class LvmTechnology:
    """Opens thin pools that are there already: their first opening makes them ours."""

    def open(self, opening: Opening) -> Pool:
        """Open the thin pool."""
        group, pool = opening.where.parts
        return LvmPool.open(group, pool, points=opening.table, locks=opening.locks)

    def exists(self, where: PoolSpecification) -> bool:
        """Tell whether the volume group has such a thin pool."""
        return has_thin_pool(where)

    def maker(self, where: PoolSpecification) -> PoolMaker:
        """Give what makes a thin pool."""
        return thin_pool_maker(where)
