"""Opens the pool that the settings name, with all its wrappers, as the driver serves it."""

from __future__ import annotations

from rokcsi.config.settings import ServeSettings
from rokcsi.model.errors import RecordNotFound
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.pools.admitting import Limits
from rokcsi.pools.loopfile.pool import LoopFilePool
from rokcsi.pools.measured import Meter
from rokcsi.pools.opening import served
from rokcsi.pools.specification import PoolSpecification
from rokcsi.system.freezing import Freezer
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable


def open_pool(settings: ServeSettings, table: MountTable, locks: KeyedLocks, meter: Meter | None = None) -> Pool:
    """Open the pool, or make one where there is none; what a crash left frozen is thawed first.

    Raises InvalidRequest, PoolTaken, NotSupported, PoolFull, Damaged.
    """
    where = PoolSpecification.parse(settings.pool)
    size = None if settings.image_size is None else Bytes(settings.image_size)
    strict = LoopFilePool.open(where.folder, freezer=Freezer(table), image_size=size)
    return served(strict, Limits(settings.overcommit, settings.data_limit), locks, meter)


def refuse_missing_pool(settings: ServeSettings) -> None:
    """Raise RecordNotFound where there is no pool yet, so that looking at one does not make it."""
    where = PoolSpecification.parse(settings.pool)
    if not (where.folder / "pool.json").exists():
        raise RecordNotFound(f"there is no pool in {where.folder}; make it with `rokcsi pool create --pool {where}`")
