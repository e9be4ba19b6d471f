"""What the command line does with a pool that no driver serves: make it, look at it, look for leftovers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rokcsi.config.settings import ServeSettings
from rokcsi.model.pool import Capacity, FindsLeftovers, Leftover, Pool
from rokcsi.model.pool_making import Concern, PoolMaker, PoolWish, Step
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import Volume
from rokcsi.pools.specification import PoolSpecification
from rokcsi.pools.wrapper import unwrapped
from rokcsi.system.command import HostRunner
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
from rokcsi.wiring.opening import open_pool, refuse_missing_pool
from rokcsi.wiring.technologies import technology

_A_STEP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class PoolReport:
    """A pool as it is now; `most_extents` is the count of its most fragmented volume, where that matters."""

    name: str
    id: str
    capacity: Capacity
    allocation_unit: Bytes
    volumes: int
    snapshots: int
    most_extents: int | None


def plan_pool(settings: ServeSettings, wish: PoolWish) -> Sequence[Step]:
    """Give the steps that would make the pool; changes nothing. Raises StillInUse for a disk that holds anything."""
    return _maker(settings).plan(wish)


def create_pool(settings: ServeSettings, wish: PoolWish, *, told: Callable[[Step], None]) -> PoolReport:
    """Make the pool where there is none yet, and report on it; each step is told before it is done."""
    for step in plan_pool(settings, wish):
        told(step)
        HostRunner().run(step.command, timeout_seconds=_A_STEP_SECONDS)
    with _opened(settings, make=True) as pool:
        return _report(pool)


def concerns_of_pool(settings: ServeSettings) -> Sequence[Concern]:
    """Tell how the pool is set up, also while a driver serves it; raise RecordNotFound where there is none."""
    refuse_missing_pool(settings)
    return _maker(settings).concerns()


def describe_pool(settings: ServeSettings) -> PoolReport:
    """Report on a pool; raise PoolTaken while a driver serves it, RecordNotFound where there is none."""
    with _opened(settings) as pool:
        return _report(pool)


def check_pool(settings: ServeSettings) -> Sequence[Leftover]:
    """Give what a crash has left in the pool; raises as `describe_pool` does."""
    with _opened(settings) as pool:
        return leftovers_of(pool)


def clear_pool(settings: ServeSettings, leftovers: Sequence[Leftover]) -> None:
    """Remove leftovers, each after the pool has made sure once more that nobody owns it."""
    with _opened(settings) as pool:
        inner = unwrapped(pool)
        if isinstance(inner, FindsLeftovers):
            for leftover in leftovers:
                inner.clear(leftover)


def leftovers_of(pool: Pool) -> Sequence[Leftover]:
    """Give what nobody owns in an open pool; nothing where it cannot tell."""
    inner = unwrapped(pool)
    return inner.leftovers() if isinstance(inner, FindsLeftovers) else ()


def _maker(settings: ServeSettings) -> PoolMaker:
    where = PoolSpecification.parse(settings.pool)
    return technology(where.kind).maker(where)


@contextmanager
def _opened(settings: ServeSettings, *, make: bool = False) -> Iterator[Pool]:
    if not make:
        refuse_missing_pool(settings)
    table = MountTable()
    try:
        pool = open_pool(settings, table, KeyedLocks())
        try:
            yield pool
        finally:
            pool.close()
    finally:
        table.close()


def _report(pool: Pool) -> PoolReport:
    volumes = pool.volumes()
    return PoolReport(
        name=pool.name,
        id=pool.id,
        capacity=pool.capacity(),
        allocation_unit=pool.traits.allocation_unit,
        volumes=len(volumes),
        snapshots=len(pool.snapshots()),
        most_extents=_most_extents(pool, volumes),
    )


def _most_extents(pool: Pool, volumes: Sequence[Volume]) -> int | None:
    if not pool.traits.copies_by_extent:
        return None
    return max((pool.footprint(volume.id).extents for volume in volumes), default=0)
