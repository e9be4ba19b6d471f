"""What both engines on LVM's thin pools share: whether there is one, and how it is made."""

from __future__ import annotations

from rokcsi.model.pool_making import PoolMaker
from rokcsi.pools.lvm.making import ThinPoolMaker
from rokcsi.pools.specification import PoolSpecification
from rokcsi.system.command import HostRunner
from rokcsi.system.lvm import Lvm
from rokcsi.system.lvm_refusals import LvmRefused, Reason


def has_thin_pool(where: PoolSpecification) -> bool:
    """Tell whether the volume group has such a thin pool."""
    group, pool = where.parts
    try:
        report = Lvm(HostRunner(), group).report()
    except LvmRefused as refused:
        if refused.reason in {Reason.NO_GROUP, Reason.NO_POOL}:
            return False
        raise
    return pool in report.pools


def thin_pool_maker(where: PoolSpecification) -> PoolMaker:
    """Give what makes the thin pool."""
    return ThinPoolMaker(*where.parts, HostRunner())
