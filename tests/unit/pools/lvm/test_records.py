from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, GroupMembership, Snapshot
from rokcsi.model.volume import Volume, VolumeSource
from rokcsi.pools.lvm.inventory import Inventory
from rokcsi.pools.lvm.names import id_in, name_of
from rokcsi.pools.lvm.reading import PoolReader
from rokcsi.pools.lvm.records import (
    Batch,
    StoredSnapshot,
    StoredVolume,
    held_tag,
    is_ours,
    read_snapshot,
    read_volume,
    snapshot_tags,
    volume_tags,
)
from rokcsi.system.lvm_reports import GroupReport, LogicalVolume, VolumeGroup

MIB = 1 << 20
NOW = dt.datetime(2026, 3, 1, 12, 30, 15, 123456, dt.UTC)
VOLUME = Volume(
    id=VolumeId.of_name("a: ü"),
    name="a: ü",
    size=Bytes(4 * MIB),
    filesystem="xfs",
    formatted=True,
    source=VolumeSource(snapshot=SnapshotId.of_name("s")),
    created_at=NOW,
    labels={"who": "me", "why": "Grund 名"},
)
SNAPSHOT = Snapshot(
    id=SnapshotId.of_name("s"),
    name="s",
    volume=VOLUME.id,
    size=Bytes(4 * MIB),
    filesystem=None,
    formatted=False,
    created_at=NOW,
    group=GroupMembership(GroupId.of_name("another"), "7", 2),
    consistency=Consistency.CRASH,
    labels={"a": "b"},
)
BATCH = Batch("0123456789ab", 2)


def logical_volume(name: str, tags: tuple[str, ...], size: int = 4 * MIB, pool: str = "pool") -> LogicalVolume:
    return LogicalVolume(
        name,
        "uuid",
        Bytes(size),
        tags,
        "thin",
        pool,
        origin=None,
        thin_id=1,
        transaction=0,
        active=False,
        readonly=False,
        health="",
    )


def report(*volumes: LogicalVolume) -> GroupReport:
    group = VolumeGroup("vg", "uuid", Bytes(MIB), Bytes(0), Bytes(MIB), Bytes(0), 0)
    return GroupReport(group, volumes, {})


def members(*, count: int = 2, settled: bool = True) -> list[LogicalVolume]:
    """Give the members of a batch of two as they lie in the pool."""
    found = []
    for number in range(count):
        snapshot = replace(SNAPSHOT, id=SnapshotId.of_name(f"s{number}"), name=f"s{number}")
        held = (held_tag(replace(snapshot, freeze_window_seconds=0.25)),) if settled and number == 0 else ()
        found.append(logical_volume(name_of(snapshot.id), (*snapshot_tags(snapshot, BATCH), *held)))
    return found


def test_a_volume_is_read_as_it_was_written() -> None:
    found = logical_volume(name_of(VOLUME.id), volume_tags(VOLUME))
    assert read_volume(VOLUME.id, found) == StoredVolume(VOLUME, found.tags)
    bare = replace(VOLUME, filesystem=None, formatted=False, source=None, labels={})
    assert read_volume(VOLUME.id, replace(found, tags=volume_tags(bare))).volume == bare


def test_a_volume_is_as_large_as_its_logical_volume() -> None:
    found = logical_volume(name_of(VOLUME.id), volume_tags(VOLUME), 8 * MIB)
    assert read_volume(VOLUME.id, found).volume.size == 8 * MIB


def test_a_clone_that_has_not_grown_yet_is_unfinished() -> None:
    tags = volume_tags(VOLUME, growing=True)
    assert read_volume(VOLUME.id, logical_volume("v", tags, 3 * MIB)).unfinished
    for size in (4 * MIB, 5 * MIB):
        assert not read_volume(VOLUME.id, logical_volume("v", tags, size)).unfinished


def test_a_snapshot_is_read_as_it_was_written() -> None:
    found = logical_volume("s", snapshot_tags(SNAPSHOT))
    assert read_snapshot(SNAPSHOT.id, found) == StoredSnapshot(SNAPSHOT, found.tags)
    held = replace(SNAPSHOT, freeze_window_seconds=0.012345)
    found = replace(found, tags=(*found.tags, held_tag(held)))
    assert read_snapshot(SNAPSHOT.id, found).snapshot == held


@pytest.mark.parametrize(
    "tags",
    [
        ("rokcsi.cut:0123456789ab/2",),
        ("rokcsi:na",),
        ("rokcsi:na:t#x:fntfs",),
        ("rokcsi:r#2:na:t#x",),
        ("rokcsi:na:t#x:z+a=b",),
        ("rokcsi:na:tyesterday",),
        ("rokcsi:na:t#x:sshort",),
        ("rokcsi:nb:t#x",),
        ("rokcsi:na:t#zzzzzzzzzzzzzzzzz",),
    ],
)
def test_broken_tags_are_damage_that_names_the_logical_volume(tags: tuple[str, ...]) -> None:
    with pytest.raises(Damaged, match="the logical volume v-1 cannot be read"):
        read_volume(VolumeId.of_name("a"), logical_volume("v-1", tags))


def test_names_are_the_ids() -> None:
    assert name_of(VOLUME.id) == f"v-{VOLUME.id}"
    assert (id_in(name_of(VOLUME.id)), id_in(name_of(SNAPSHOT.id))) == (VOLUME.id, SNAPSHOT.id)
    assert isinstance(id_in(name_of(SNAPSHOT.id)), SnapshotId)
    for other in ("pool", "v-1", f"x-{VOLUME.id}", f"v-{VOLUME.id}0", f"v-{VOLUME.id.upper()}"):
        assert id_in(other) is None


def test_what_has_none_of_our_tags_is_not_ours() -> None:
    assert is_ours(logical_volume("v", ("other", "rokcsi:na")))
    assert not is_ours(logical_volume("v", ("rokcsi", "rokcsix:a")))


def test_a_pool_is_read() -> None:
    inventory = Inventory()
    found = report(
        logical_volume(name_of(VOLUME.id), volume_tags(VOLUME)),
        logical_volume(name_of(SNAPSHOT.id), snapshot_tags(SNAPSHOT)),
        logical_volume("foreign", ()),
        logical_volume(f"v-{'0' * 32}", ()),
        logical_volume(f"v-{'1' * 32}", volume_tags(VOLUME), pool="another"),
        *members(),
    )
    assert PoolReader("pool", inventory).read(found) == []
    assert inventory.index.volumes() == [VOLUME]
    assert [it.name for it in inventory.index.snapshots()] == sorted(["s", "s0", "s1"], key=SnapshotId.of_name)
    for name in ("s0", "s1"):
        stored = inventory.snapshot(SnapshotId.of_name(name))
        assert (stored.snapshot.freeze_window_seconds, stored.batch) == (0.25, BATCH)
    assert len(inventory.batch(BATCH)) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_a_group_that_was_never_answered_is_given_up(count: int) -> None:
    inventory, found = Inventory(), members(count=count, settled=False)
    assert PoolReader("pool", inventory).read(report(*found)) == [member.name for member in found]
    assert inventory.index.snapshots() == []


def test_what_is_left_of_a_group_that_was_answered_stays() -> None:
    inventory, found = Inventory(), members(count=1)
    assert PoolReader("pool", inventory).read(report(*found)) == []
    assert len(inventory.index.snapshots()) == 1


def test_no_group_is_given_up_while_a_snapshot_cannot_be_read() -> None:
    inventory = Inventory()
    damaged = logical_volume(f"s-{'0' * 32}", ("rokcsi:na",))
    assert PoolReader("pool", inventory).read(report(*members(count=1), damaged)) == []
    assert len(inventory.index.snapshots()) == 1
    assert list(inventory.index.damaged_snapshots) == ["0" * 32]


def test_an_unfinished_clone_is_given_up_and_a_damaged_one_set_aside() -> None:
    inventory = Inventory()
    name = name_of(VOLUME.id)
    reader = PoolReader("pool", inventory)
    assert reader.read(report(logical_volume(name, volume_tags(VOLUME, growing=True), MIB))) == [name]
    assert reader.read(report(logical_volume(name, ("rokcsi:nb",)))) == []
    assert inventory.index.has_volume(VOLUME.id)
    assert inventory.index.volumes() == []


def test_the_inventory_counts_the_groups_metadata() -> None:
    inventory = Inventory()
    inventory.put_volume(StoredVolume(VOLUME, volume_tags(VOLUME)))
    once = inventory.text_bytes
    inventory.put_volume(StoredVolume(VOLUME, volume_tags(VOLUME)))
    assert inventory.text_bytes == once > len("".join(volume_tags(VOLUME)))
    inventory.put_snapshot(StoredSnapshot(SNAPSHOT, snapshot_tags(SNAPSHOT)))
    inventory.drop_volume(VOLUME.id)
    inventory.drop_snapshot(SNAPSHOT.id)
    assert inventory.text_bytes == 0
