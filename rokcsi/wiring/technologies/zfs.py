"""ZFS pools, below a dataset."""

from __future__ import annotations

from rokcsi.model.errors import RecordNotFound
from rokcsi.model.pool import Pool
from rokcsi.pools.specification import PoolSpecification
from rokcsi.pools.zfs import ZfsPool
from rokcsi.pools.zfs.home import identity, known, refuse_absent
from rokcsi.system.command import HostRunner
from rokcsi.wiring.technologies import Opening


class ZfsTechnology:
    """Opens ZFS pools; they are made by `rokcsi pool create` only, since the dataset is somebody's word."""

    def open(self, opening: Opening) -> Pool:
        """Open the pool; where nothing may be promised twice, every volume has its size set aside."""
        return ZfsPool.open(opening.where.place, freezer=opening.freezer, reserve=opening.settings.overcommit <= 1.0)

    def exists(self, where: PoolSpecification) -> bool:
        """Tell whether the dataset is there and is a pool of ours; raise PoolAway where its ZFS pool is not imported."""
        refuse_absent(where.parts[0])
        try:
            identity(where.place, known(HostRunner(), where.place))
        except RecordNotFound:
            return False
        return True
