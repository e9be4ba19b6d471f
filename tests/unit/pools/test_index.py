from __future__ import annotations

import datetime as dt

import pytest

from rokcsi.model.errors import GroupNotFound, SnapshotNotFound, VolumeNotFound
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import GroupMembership, Snapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.index import Index

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
GROUP = GroupMembership.of_name("g", 2)


def volume(name: str, size: int = 10) -> Volume:
    return Volume(VolumeId.of_name(name), name, Bytes(size), None, False, None, NOW)


def snapshot(name: str, of: str = "v", group: GroupMembership | None = None) -> Snapshot:
    return Snapshot(SnapshotId.of_name(name), name, VolumeId.of_name(of), Bytes(5), None, False, NOW, group)


@pytest.fixture
def index() -> Index:
    index = Index()
    for name in "vwx":
        index.put_volume(volume(name))
    for each in (snapshot("1", group=GROUP), snapshot("2", "w", GROUP), snapshot("3")):
        index.put_snapshot(each)
    return index


def test_everything_is_listed_by_id_whatever_the_order_it_came_in(index: Index) -> None:
    assert [it.id for it in index.volumes()] == sorted(VolumeId.of_name(name) for name in "vwx")
    assert [it.id for it in index.snapshots()] == sorted(SnapshotId.of_name(name) for name in "123")


def test_snapshots_are_found_by_volume_and_group(index: Index) -> None:
    assert {it.name for it in index.snapshots_of(VolumeId.of_name("v"))} == {"1", "3"}
    assert {it.name for it in index.group(GROUP.id)} == {"1", "2"}


def test_what_is_dropped_is_found_nowhere(index: Index) -> None:
    for name in "12":
        index.drop_snapshot(SnapshotId.of_name(name))
        index.drop_snapshot(SnapshotId.of_name(name))
    assert [it.name for it in index.snapshots_of(VolumeId.of_name("v"))] == ["3"]
    with pytest.raises(GroupNotFound):
        index.group(GROUP.id)
    with pytest.raises(SnapshotNotFound):
        index.snapshot(SnapshotId.of_name("1"))


def test_promises_follow_what_comes_grows_and_goes(index: Index) -> None:
    assert index.promised == 45
    index.put_volume(volume("v", 30))
    assert index.promised == 65
    index.drop_volume(VolumeId.of_name("v"))
    index.drop_snapshot(SnapshotId.of_name("1"))
    assert index.promised == 30


def test_what_was_never_there_is_not_found(index: Index) -> None:
    with pytest.raises(VolumeNotFound):
        index.volume(VolumeId.of_name("nothing"))
    with pytest.raises(GroupNotFound):
        index.group(GroupId.of_name("nothing"))
    assert list(index.snapshots_of(VolumeId.of_name("nothing"))) == []
