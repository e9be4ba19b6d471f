"""The ZFS pool under the contract, on a real ZFS pool."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.pools.zfs import ZfsPool
from rokcsi.pools.zfs.store import Outcome
from rokcsi.system import failpoints
from rokcsi.system.zfs_programs import Argument, Program
from tests.contract.harness import PoolHarness
from tests.fakes.zfs_pools import ZfsPools, zfs

_TOO_LONG = "x" * 10_000


class ZfsHarness:
    """One ZFS pool."""

    def __init__(self, pools: ZfsPools) -> None:
        self._pools = pools
        self._serving: ZfsPool | None = None

    def open(self) -> Pool:
        """Begin with an empty dataset."""
        self._serving = self._pools.open()
        return self._serving

    def reopen(self, pool: Pool) -> Pool:
        """Let go of what a killed process would."""
        self._serving = self._pools.reopen(_zfs_pool(pool))
        return self._serving

    @contextmanager
    def in_use(self, pool: Pool, id: VolumeId) -> Iterator[None]:
        """Claim the block device, as the kernel does for a mount."""
        fd = os.open(pool.attach(id), os.O_RDONLY | os.O_EXCL)
        try:
            yield
        finally:
            os.close(fd)

    def failing_cuts(self, pool: Pool, member: int) -> Sequence[AbstractContextManager[None]]:
        """Fail inside the kernel once the members before this one are cut, and when all are."""
        return [
            _unwritable_record(_zfs_pool(pool), member),
            failpoints.failing("zfs.cut.cut", Damaged("as the test wants it")),
        ]

    def counted(self) -> None:
        """Wait for a transaction group: only then does ZFS count what was written in it."""
        self._pools.settle()

    def strays(self, pool: Pool) -> list[str]:
        """Name what is below the dataset and neither known, nor needed by something that is."""
        places = _zfs_pool(pool)._places
        there = self._pools.names()
        living = {places.volume(volume.id) for volume in pool.volumes()}
        living |= {places.snapshot(snapshot.id) for snapshot in pool.snapshots()}
        assert living <= set(there), f"known, but not there: {living - set(there)}"
        dead = set(there) - living
        known = set(places.dead())
        assert dead == known, f"dead and not known: {dead - known}; known and not there: {known - dead}"
        return sorted(name for name in dead if not _is_needed(name, there))

    def close(self) -> None:
        """Let go of everything."""
        if self._serving is not None:
            self._serving.close()
        self._pools.close()


def _is_needed(name: str, there: Sequence[str]) -> bool:
    if "@" not in name:
        return any(other.startswith(f"{name}@") for other in there)
    return zfs("get", "-H", "-o", "value", "clones", name).strip() not in {"", "-"}


@contextmanager
def _unwritable_record(pool: ZfsPool, member: int) -> Iterator[None]:
    """Give the member a record that is longer than a property may be, so that ZFS refuses it after the cut."""
    run = pool._store.run

    def run_with_it(program: Program, arguments: Argument) -> Outcome:
        assert not isinstance(arguments, str)
        spoilt = [
            {**each, "idle": _TOO_LONG, "in_use": _TOO_LONG} if number == member else each  # type: ignore[dict-item]  # a cut's arguments are tables
            for number, each in enumerate(arguments)
        ]
        pool._store.run = run  # type: ignore[method-assign]  # what undoes the cut is to work
        return run(program, spoilt)

    pool._store.run = run_with_it  # type: ignore[method-assign]  # the one call that is to fail
    try:
        yield
    finally:
        pool._store.run = run  # type: ignore[method-assign]  # as it was


def _zfs_pool(pool: Pool) -> ZfsPool:
    assert isinstance(pool, ZfsPool)
    return pool


@contextmanager
def zfs_pool(folder: Path) -> Iterator[PoolHarness]:
    """Give a pool on a ZFS pool in a file in the folder."""
    harness = ZfsHarness(ZfsPools(folder))
    try:
        yield harness
    finally:
        harness.close()
