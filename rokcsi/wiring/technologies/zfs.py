"""ZFS pools, below a dataset."""

from __future__ import annotations

from rokcsi.model.pool import Pool
from rokcsi.model.pool_making import PoolMaker
from rokcsi.pools.specification import PoolSpecification
from rokcsi.pools.zfs import ZfsPool
from rokcsi.pools.zfs.pool_maker import ZfsPoolMaker, exists
from rokcsi.system.command import HostRunner
from rokcsi.wiring.technologies import Opening


class ZfsTechnology:
    """Opens ZFS pools; they are made by `rokcsi pool create` only, since a dataset is somebody's word."""

    def open(self, opening: Opening) -> Pool:
        """Open the pool; where nothing may be promised twice, every volume has its size set aside."""
        reserve = opening.settings.overcommit <= 1.0
        return ZfsPool.open(opening.where.place, freezer=opening.freezer, reserve=reserve)

    def exists(self, where: PoolSpecification) -> bool:
        """Tell whether the dataset is there and is a pool of ours; raise PoolAway where its ZFS pool is not imported."""
        return exists(where.place, HostRunner())

    def maker(self, where: PoolSpecification) -> PoolMaker:
        """Give what makes the dataset, and the ZFS pool below it."""
        return ZfsPoolMaker(where.place, HostRunner())
