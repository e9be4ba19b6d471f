from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rokcsi.model.errors import GroupDiffers, SnapshotDiffers, SourceTooLarge, VolumeDiffers
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import Tuning, VolumeSource
from rokcsi.pools.idempotent import IdempotentPool
from rokcsi.pools.memory import MemoryPool
from tests.fakes.pool_records import MIB, new_clone, new_group, new_volume


@pytest.fixture
def pool(tmp_path: Path) -> IdempotentPool:
    return IdempotentPool(MemoryPool(tmp_path))


def test_a_volume_made_twice_is_one(pool: IdempotentPool) -> None:
    first = pool.create_volume(new_volume("a"))
    assert pool.create_volume(new_volume("a")) == first
    assert len(pool.volumes()) == 1


def test_labels_do_not_make_a_volume_another(pool: IdempotentPool) -> None:
    first = pool.create_volume(new_volume("a"))
    assert pool.create_volume(replace(new_volume("a"), labels={"who": "me"})) == first


@pytest.mark.parametrize(
    "other",
    [
        replace(new_volume("a"), size=Bytes(2 * MIB)),
        replace(new_volume("a"), filesystem="ext4"),
        replace(new_volume("a"), source=VolumeSource(volume=VolumeId.of_name("b"))),
        replace(new_volume("a"), tuning=Tuning(compression="lz4")),
    ],
    ids=["size", "filesystem", "source", "tuning"],
)
def test_another_volume_of_the_same_name_is_refused(pool: IdempotentPool, other: object) -> None:
    first = pool.create_volume(new_volume("a"))
    with pytest.raises(VolumeDiffers, match="choose another name"):
        pool.create_volume(other)  # type: ignore[arg-type]  # parametrised values are objects to mypy
    assert list(pool.volumes()) == [first]


def test_a_clone_asked_for_again_is_given_after_its_snapshot_went(pool: IdempotentPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    pool.delete_snapshots([snapshot.id])
    assert pool.clone_snapshot(snapshot.id, new_clone("c", snapshot)) == clone


def test_a_clone_from_another_snapshot_is_refused(pool: IdempotentPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    first, second = pool.take_snapshots([NewSnapshot("s", volume.id), NewSnapshot("t", volume.id)])
    pool.clone_snapshot(first.id, new_clone("c", first))
    with pytest.raises(VolumeDiffers):
        pool.clone_snapshot(second.id, new_clone("c", second))


def test_a_refused_clone_leaves_the_name_free(pool: IdempotentPool) -> None:
    volume = pool.create_volume(new_volume("a", 2))
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    with pytest.raises(SourceTooLarge):
        pool.clone_snapshot(snapshot.id, new_volume("c", 1))
    assert pool.clone_snapshot(snapshot.id, new_volume("c", 2)).size == 2 * MIB


def test_a_snapshot_taken_twice_is_one_even_when_its_volume_went(pool: IdempotentPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    first = pool.take_snapshots([NewSnapshot("s", volume.id)])
    pool.delete_volume(volume.id)
    assert list(pool.take_snapshots([NewSnapshot("s", volume.id)])) == list(first)


def test_a_snapshot_of_another_volume_is_refused(pool: IdempotentPool) -> None:
    volumes = [pool.create_volume(new_volume(name)) for name in "ab"]
    pool.take_snapshots([NewSnapshot("s", volumes[0].id)])
    with pytest.raises(SnapshotDiffers):
        pool.take_snapshots([NewSnapshot("s", volumes[1].id)])


def test_half_of_the_snapshots_being_there_is_no_answer(pool: IdempotentPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    pool.take_snapshots([NewSnapshot("s", volume.id)])
    with pytest.raises(SnapshotDiffers):
        pool.take_snapshots([NewSnapshot("s", volume.id), NewSnapshot("t", volume.id)])
    assert len(pool.snapshots()) == 1


def test_a_group_cut_twice_is_one_in_the_order_asked_for(pool: IdempotentPool) -> None:
    volumes = [pool.create_volume(new_volume(name)) for name in "abc"]
    first = list(pool.take_snapshots(new_group("g", volumes)))
    assert list(pool.take_snapshots(new_group("g", volumes[::-1]))) == first[::-1]


@pytest.mark.parametrize("members", ["a", "ab", "abcd", "d"])
def test_a_group_with_other_members_is_refused(pool: IdempotentPool, members: str) -> None:
    volumes = {name: pool.create_volume(new_volume(name)) for name in "abcd"}
    pool.take_snapshots(new_group("g", [volumes[name] for name in "abc"]))
    with pytest.raises(GroupDiffers):
        pool.take_snapshots(new_group("g", [volumes[name] for name in members]))
    assert len(pool.snapshots()) == 3


def test_what_is_gone_is_deleted_already(pool: IdempotentPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    for _ in range(2):
        pool.delete_volume(volume.id)
        pool.delete_snapshots([SnapshotId.of_name("never"), snapshot.id])
    assert (list(pool.volumes()), list(pool.snapshots())) == ([], [])
