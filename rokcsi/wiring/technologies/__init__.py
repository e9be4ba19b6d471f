"""How each kind of pool is opened: one file a technology, imported only when a pool of that kind is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rokcsi.config.settings import ServeSettings
from rokcsi.model.errors import NotSupported
from rokcsi.model.pool import Pool
from rokcsi.model.pool_making import PoolMaker
from rokcsi.pools.specification import PoolSpecification
from rokcsi.system.freezing import Freezer
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable


@dataclass(frozen=True, slots=True)
class Opening:
    """What is at hand when a pool is opened."""

    where: PoolSpecification
    settings: ServeSettings
    table: MountTable
    freezer: Freezer
    locks: KeyedLocks


class Technology(Protocol):
    """One kind of pool."""

    def open(self, opening: Opening) -> Pool:
        """Open the strict pool, or make one where there is none and that needs nobody's word.

        Raises InvalidRequest, PoolTaken, NotSupported, PoolFull, Damaged.
        """

    def exists(self, where: PoolSpecification) -> bool:
        """Tell whether there is such a pool already; changes nothing."""

    def maker(self, where: PoolSpecification) -> PoolMaker:
        """Give what makes such a pool, as far as opening it does not, and knows how it is set up."""


def technology(kind: str) -> Technology:
    """Give the technology of a kind of pool; the driver that serves another one never loads it."""
    if kind == "loopfile":
        from rokcsi.wiring.technologies.loopfile import LoopFileTechnology  # noqa: PLC0415 - see above

        return LoopFileTechnology()
    if kind == "lvm":
        from rokcsi.wiring.technologies.lvm import LvmTechnology  # noqa: PLC0415 - see above

        return LvmTechnology()
    if kind == "lvm-direct":
        from rokcsi.wiring.technologies.lvm_direct import LvmDirectTechnology  # noqa: PLC0415 - see above

        return LvmDirectTechnology()
    if kind == "zfs":
        from rokcsi.wiring.technologies.zfs import ZfsTechnology  # noqa: PLC0415 - see above

        return ZfsTechnology()
    raise NotSupported(f"there are no pools of the kind {kind}")
