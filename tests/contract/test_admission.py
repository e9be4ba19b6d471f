"""What every pool promises when room runs short."""

from __future__ import annotations

import pytest

from rokcsi.model.errors import PoolFull
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume
from rokcsi.pools.admitting import Limits
from rokcsi.pools.opening import served
from rokcsi.system.locks import KeyedLocks
from tests.contract.harness import PoolHarness, TestedPool
from tests.fakes.pool_records import MIB, new_clone, new_volume


def test_the_largest_volume_that_is_available_is_admitted_and_no_larger_one(harness: PoolHarness) -> None:
    tested = TestedPool.opened(harness, lambda pool: served(pool, Limits(overcommit=1.0, data_limit=1.0), KeyedLocks()))
    unit = tested.pool.traits.allocation_unit
    available = tested.pool.capacity().available
    with pytest.raises(PoolFull):
        tested.pool.create_volume(NewVolume("a", Bytes(available + unit), None))
    assert (list(tested.pool.volumes()), tested.strays()) == ([], [])
    volume = tested.pool.create_volume(NewVolume("a", available, None))
    assert tested.pool.create_volume(NewVolume("a", available, None)) == volume
    assert tested.pool.capacity().available < unit
    tested.restart()
    assert tested.pool.capacity().available < unit
    tested.pool.delete_volume(volume.id)
    assert tested.pool.capacity().available > available - 16 * MIB


def test_a_pool_above_its_data_limit_takes_nothing_new_gives_what_is_there_and_deletes(harness: PoolHarness) -> None:
    limits = [Limits(overcommit=10.0, data_limit=1.0)]
    tested = TestedPool.opened(harness, lambda pool: served(pool, limits[0], KeyedLocks()))
    volume = tested.pool.create_volume(new_volume("a"))
    tested.write(volume.id, 0, b"x" * MIB)
    [snapshot] = tested.snapshot("s", volume.id)
    clone = tested.pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    limits[0] = Limits(overcommit=10.0, data_limit=1e-12)
    tested.restart()
    assert tested.pool.capacity().available == 0
    for refused in (
        lambda: tested.pool.create_volume(new_volume("b")),
        lambda: tested.pool.clone_snapshot(snapshot.id, new_clone("d", snapshot)),
        lambda: tested.pool.take_snapshots([NewSnapshot("t", volume.id)]),
        lambda: tested.pool.grow_volume(volume.id, Bytes(2 * MIB)),
    ):
        with pytest.raises(PoolFull):
            refused()
    assert tested.strays() == []
    assert tested.pool.create_volume(new_volume("a")) == volume
    assert list(tested.snapshot("s", volume.id)) == [snapshot]
    assert tested.pool.clone_snapshot(snapshot.id, new_clone("c", snapshot)) == clone
    tested.write(volume.id, 0, b"y" * MIB)
    tested.pool.delete_snapshots([snapshot.id])
    for each in (volume, clone):
        tested.pool.delete_volume(each.id)
    assert tested.strays() == []
