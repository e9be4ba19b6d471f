from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from rokcsi.model.errors import PoolFull, SystemCallFailed
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.pools.admitting import AdmittingPool, Limits, _Sums
from rokcsi.pools.memory import MemoryPool
from rokcsi.pools.wrapper import unwrapped
from tests.fakes.pool_records import MIB, new_clone, new_volume


def pool_of(folder: Path, mebibytes: int, limits: Limits) -> AdmittingPool:
    return AdmittingPool(MemoryPool(folder, total=Bytes(mebibytes * MIB)), limits)


def fill(pool: AdmittingPool, name: str, mebibytes: int) -> None:
    pool.attach(new_volume(name).id).write_bytes(b"x" * (mebibytes * MIB))


def test_what_is_available_is_admitted_and_not_a_block_more(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 10, Limits(overcommit=1.0))
    pool.create_volume(new_volume("a", 6))
    assert pool.capacity().available == 4 * MIB
    with pytest.raises(PoolFull, match="ask for less"):
        pool.create_volume(new_volume("b", 5))
    pool.create_volume(new_volume("b", 4))
    assert pool.capacity().available == 0


def test_overcommit_promises_more_than_there_is(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 10, Limits(overcommit=2.0))
    pool.create_volume(new_volume("a", 20))
    assert pool.capacity().promised == 20 * MIB
    with pytest.raises(PoolFull):
        pool.create_volume(new_volume("b", 1))


def test_nothing_new_is_taken_above_the_data_limit_but_deleting_works(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 10, Limits(overcommit=10.0, data_limit=0.5))
    volume = pool.create_volume(new_volume("a", 6))
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    fill(pool, "a", 6)
    assert pool.capacity().available == 0
    for refused in (
        lambda: pool.create_volume(new_volume("b")),
        lambda: pool.clone_snapshot(snapshot.id, new_clone("c", snapshot)),
        lambda: pool.take_snapshots([NewSnapshot("t", volume.id)]),
        lambda: pool.grow_volume(volume.id, Bytes(7 * MIB)),
    ):
        with pytest.raises(PoolFull, match="delete snapshots or volumes"):
            refused()
    pool.delete_snapshots([snapshot.id])
    pool.delete_volume(volume.id)
    assert pool.capacity().available == 100 * MIB


def test_an_empty_volume_can_be_cut_and_a_full_one_needs_room_for_both(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 10, Limits(overcommit=1.0, data_limit=1.0))
    volume = pool.create_volume(new_volume("a", 6))
    pool.take_snapshots([NewSnapshot("empty", volume.id)])
    fill(pool, "a", 6)
    with pytest.raises(PoolFull):
        pool.take_snapshots([NewSnapshot("full", volume.id)])


def test_many_snapshots_of_little_promise_no_more_than_what_is_stored(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 10, Limits(overcommit=1.0, data_limit=1.0))
    volume = pool.create_volume(new_volume("a", 6))
    for number in range(20):
        pool.take_snapshots([NewSnapshot(f"s{number}", volume.id)])
    assert pool.capacity().promised == 6 * MIB


def test_growing_counts_and_staying_as_large_does_not(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 10, Limits(overcommit=1.0))
    volume = pool.create_volume(new_volume("a", 6))
    pool.grow_volume(volume.id, Bytes(10 * MIB))
    pool.grow_volume(volume.id, Bytes(10 * MIB))
    with pytest.raises(PoolFull):
        pool.grow_volume(volume.id, Bytes(11 * MIB))
    assert pool.volume(volume.id).size == 10 * MIB


def test_what_fails_promises_nothing(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 10, Limits(overcommit=1.0))
    volume = pool.create_volume(new_volume("a", 5))
    inner = unwrapped(pool)
    assert isinstance(inner, MemoryPool)
    inner.fail_cut_at(0)
    with pytest.raises(SystemCallFailed):
        pool.take_snapshots([NewSnapshot("s", volume.id)])
    assert pool.capacity().promised == 5 * MIB


def test_the_promises_are_known_again_after_a_restart(tmp_path: Path) -> None:
    inner = MemoryPool(tmp_path, total=Bytes(10 * MIB))
    AdmittingPool(inner, Limits(overcommit=1.0)).create_volume(new_volume("a", 7))
    assert AdmittingPool(inner.reopened(), Limits(overcommit=1.0)).capacity().available == 3 * MIB


class FlushFails(MemoryPool):
    """Takes things away, and fails then."""

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away and fail."""
        super().delete_volume(id)
        raise SystemCallFailed("the flush failed")

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take the first of the snapshots away and fail."""
        super().delete_snapshots(list(ids)[:1])
        raise SystemCallFailed("the flush failed")


def test_what_went_although_the_call_failed_is_no_longer_promised(tmp_path: Path) -> None:
    pool = AdmittingPool(FlushFails(tmp_path, total=Bytes(10 * MIB)), Limits(overcommit=1.0, data_limit=1.0))
    volume = pool.create_volume(new_volume("a", 3))
    snapshots = [pool.take_snapshots([NewSnapshot(name, volume.id)])[0].id for name in "st"]
    assert pool._sums == _Sums(volumes=3 * MIB, snapshots=6 * MIB)
    with pytest.raises(SystemCallFailed):
        pool.delete_snapshots(snapshots)
    assert pool._sums == _Sums(volumes=3 * MIB, snapshots=3 * MIB)
    with pytest.raises(SystemCallFailed):
        pool.delete_volume(volume.id)
    assert pool._sums == _Sums(volumes=0, snapshots=3 * MIB)
