"""A pool as it is served: found by its specification, opened, and wrapped."""

from __future__ import annotations

from rokcsi.model.pool import Pool
from rokcsi.pools.admitting import AdmittingPool, Limits
from rokcsi.pools.idempotent import IdempotentPool
from rokcsi.pools.locked import LockedPool
from rokcsi.pools.measured import MeasuredPool, Meter
from rokcsi.system.locks import KeyedLocks


def served(pool: Pool, limits: Limits, locks: KeyedLocks, meter: Meter | None = None) -> Pool:
    """Put all wrappers around a strict pool; without a meter nothing is measured."""
    locked = LockedPool(IdempotentPool(AdmittingPool(pool, limits)), locks)
    return locked if meter is None else MeasuredPool(locked, meter)
