"""Opens the pool that the settings name, with all its wrappers, as the driver serves it."""

from __future__ import annotations

from rokcsi.config.settings import ServeSettings
from rokcsi.model.errors import RecordNotFound
from rokcsi.model.pool import Pool
from rokcsi.pools.admitting import Limits
from rokcsi.pools.measured import Meter
from rokcsi.pools.opening import served
from rokcsi.pools.specification import PoolSpecification
from rokcsi.pools.wrapper import PoolWrapper
from rokcsi.system.freezing import Freezer
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
from rokcsi.wiring.technologies import Opening, technology


class PoolWithFreezer(PoolWrapper):
    """The pool as it is served, and the freezer that was started for it: both end together."""

    def __init__(self, inner: Pool, freezer: Freezer) -> None:
        super().__init__(inner)
        self._freezer = freezer

    def close(self) -> None:
        """Give the pool back, and let the freezer's threads and its watchdog end."""
        try:
            super().close()
        finally:
            self._freezer.close()


def open_pool(settings: ServeSettings, table: MountTable, locks: KeyedLocks, meter: Meter | None = None) -> Pool:
    """Open the pool, or make one where there is none; what a crash left frozen is thawed first.

    Raises InvalidRequest, PoolTaken, NotSupported, PoolFull, Damaged.
    """
    where = PoolSpecification.parse(settings.pool)
    freezer = Freezer(table)
    try:
        strict = technology(where.kind).open(Opening(where, settings, table, freezer, locks))
    except BaseException:
        freezer.close()
        raise
    pool = served(strict, Limits(settings.overcommit, settings.data_limit, settings.metadata_limit), locks, meter)
    return PoolWithFreezer(pool, freezer)


def refuse_missing_pool(settings: ServeSettings) -> None:
    """Raise RecordNotFound where there is no pool yet, so that looking at one does not make it."""
    where = PoolSpecification.parse(settings.pool)
    if not technology(where.kind).exists(where):
        raise RecordNotFound(f"there is no pool in {where.place}; make it with `rokcsi pool create --pool {where}`")
