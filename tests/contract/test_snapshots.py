"""What every pool promises of its snapshots and clones."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from rokcsi.model.errors import (
    Damaged,
    GroupNotFound,
    NotSupported,
    SnapshotExists,
    SnapshotNotFound,
    SourceTooLarge,
    VolumeExists,
    VolumeNotFound,
)
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, GroupMembership, NewSnapshot
from rokcsi.model.volume import NewVolume, Volume, VolumeSource
from tests.contract.harness import TestedPool
from tests.fakes.pool_records import MIB, new_clone, new_group, new_volume


def written(tested: TestedPool, name: str, mebibytes: int = 1) -> Volume:
    """Make a volume with contents of its own."""
    volume = tested.pool.create_volume(new_volume(name, mebibytes))
    tested.write(volume.id, 8192, f"contents of {name} ".encode() * 1000)
    return volume


def test_a_snapshot_holds_what_was_written_before_and_nothing_after(tested: TestedPool) -> None:
    volume = written(tested, "a")
    digest = tested.digest(volume.id)
    [snapshot] = tested.snapshot("s", volume.id)
    tested.write(volume.id, 0, os.urandom(MIB))
    clone = tested.pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    assert tested.digest(clone.id) == digest
    assert tested.digest(volume.id) != digest


def test_a_snapshot_tells_of_its_volume(tested: TestedPool) -> None:
    volume = tested.pool.mark_formatted(tested.pool.create_volume(NewVolume("a", Bytes(300 * MIB), "xfs")).id)
    [snapshot] = tested.pool.take_snapshots([NewSnapshot("s", volume.id, labels={"who": "me"})])
    assert (snapshot.id, snapshot.name, snapshot.volume) == (SnapshotId.of_name("s"), "s", volume.id)
    assert (snapshot.size, snapshot.filesystem, snapshot.formatted) == (300 * MIB, "xfs", True)
    assert (dict(snapshot.labels), snapshot.group) == ({"who": "me"}, None)
    assert snapshot.consistency is Consistency.FROZEN
    assert snapshot.created_at.tzinfo is not None
    assert snapshot.created_at >= volume.created_at
    assert snapshot.freeze_window_seconds >= 0.0
    assert tested.pool.snapshot(snapshot.id) == snapshot


def test_a_snapshot_has_room_for_as_many_bytes_of_labels_as_the_pool_says(tested: TestedPool) -> None:
    room = tested.pool.traits.label_bytes
    volumes = [written(tested, name) for name in "ab"]
    value = ('["ä, b"]' * room).encode()[: room - len("rok/label")].decode(errors="ignore")
    news = [replace(new, labels={"rok/label": value}) for new in new_group("g", volumes)]
    cut = list(tested.pool.take_snapshots(news))
    assert [snapshot.labels["rok/label"] for snapshot in cut] == [value] * 2
    tested.restart()
    assert [tested.pool.snapshot(snapshot.id) for snapshot in cut] == cut


def test_everything_about_a_snapshot_is_known_again_after_a_restart(tested: TestedPool) -> None:
    volumes = [written(tested, name) for name in "ab"]
    cut = list(tested.pool.take_snapshots(new_group("g", volumes)))
    [alone] = tested.pool.take_snapshots([NewSnapshot("s", volumes[0].id, labels={"a": "1", "b": "2"})])
    alone = tested.pool.label_snapshot(alone.id, {"b": "", "c": "3"})
    assert dict(alone.labels) == {"a": "1", "c": "3"}
    tested.restart()
    assert tested.pool.snapshot(alone.id) == alone
    assert [tested.pool.snapshot(snapshot.id) for snapshot in cut] == cut
    assert list(tested.pool.group(GroupId.of_name("g"))) == sorted(cut, key=lambda snapshot: snapshot.id)
    assert len(tested.pool.snapshots()) == 3


def test_a_clone_is_a_volume_of_its_own(tested: TestedPool) -> None:
    volume = written(tested, "a")
    [snapshot] = tested.snapshot("s", volume.id)
    first = tested.pool.clone_snapshot(snapshot.id, replace(new_clone("c", snapshot), labels={"run": "7"}))
    second = tested.pool.clone_snapshot(snapshot.id, new_clone("d", snapshot))
    assert (first.name, first.source) == ("c", VolumeSource(snapshot=snapshot.id))
    assert (first.size, first.filesystem, dict(first.labels)) == (MIB, None, {"run": "7"})
    untouched = tested.digest(volume.id)
    tested.write(first.id, 8192, b"first only")
    assert tested.digest(second.id) == tested.digest(volume.id) == untouched
    assert tested.digest(first.id) != untouched


def test_a_clone_records_the_source_it_is_given(tested: TestedPool) -> None:
    volume = written(tested, "a")
    [snapshot] = tested.snapshot("s", volume.id)
    new = replace(new_clone("c", snapshot), source=VolumeSource(volume=volume.id))
    assert tested.pool.clone_snapshot(snapshot.id, new).source == VolumeSource(volume=volume.id)
    tested.restart()
    assert tested.pool.volume(new.id).source == VolumeSource(volume=volume.id)


def test_a_clone_of_a_formatted_volume_is_formatted_also_as_a_raw_view(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(NewVolume("a", Bytes(300 * MIB), "xfs"))
    tested.pool.mark_formatted(volume.id)
    [snapshot] = tested.snapshot("s", volume.id)
    for filesystem in ("xfs", None):
        clone = tested.pool.clone_snapshot(snapshot.id, NewVolume(f"c{filesystem}", snapshot.size, filesystem))
        assert (clone.filesystem, clone.formatted) == (filesystem, True)


def test_a_clone_may_be_larger_and_ends_in_zeroes(tested: TestedPool) -> None:
    volume = written(tested, "a")
    [snapshot] = tested.snapshot("s", volume.id)
    clone = tested.pool.clone_snapshot(snapshot.id, new_volume("c", 3))
    assert tested.read(clone.id) == tested.read(volume.id) + bytes(2 * MIB)


def test_a_clone_is_never_smaller(tested: TestedPool) -> None:
    volume = written(tested, "a", 2)
    [snapshot] = tested.snapshot("s", volume.id)
    with pytest.raises(SourceTooLarge):
        tested.pool.clone_snapshot(snapshot.id, new_volume("c", 1))
    assert (len(tested.pool.volumes()), tested.strays()) == (1, [])


def test_a_clone_of_a_name_that_is_taken_is_refused(bare: TestedPool) -> None:
    volume = written(bare, "a")
    [snapshot] = bare.snapshot("s", volume.id)
    with pytest.raises(VolumeExists):
        bare.pool.clone_snapshot(snapshot.id, new_clone("a", snapshot))
    assert bare.strays() == []


def test_a_clone_lives_on_when_its_snapshot_goes(tested: TestedPool) -> None:
    volume = written(tested, "a")
    digest = tested.digest(volume.id)
    [snapshot] = tested.snapshot("s", volume.id)
    clone = tested.pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    tested.pool.delete_snapshots([snapshot.id])
    with pytest.raises(SnapshotNotFound):
        tested.pool.snapshot(snapshot.id)
    tested.restart()
    assert tested.digest(clone.id) == digest
    tested.pool.delete_volume(volume.id)
    assert tested.digest(clone.id) == digest
    assert tested.strays() == []


def test_snapshots_live_on_when_their_volume_goes(tested: TestedPool) -> None:
    volume = written(tested, "a")
    digest = tested.digest(volume.id)
    [snapshot] = tested.snapshot("s", volume.id)
    tested.pool.delete_volume(volume.id)
    tested.restart()
    assert list(tested.pool.snapshots_of(volume.id)) == [snapshot]
    clone = tested.pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    assert tested.digest(clone.id) == digest


def test_a_volume_made_again_by_the_same_name_has_nothing_of_the_old_one(tested: TestedPool) -> None:
    volume = written(tested, "a")
    old = tested.digest(volume.id)
    [snapshot] = tested.snapshot("s", volume.id)
    tested.pool.delete_volume(volume.id)
    again = tested.pool.create_volume(new_volume("a"))
    assert tested.read(again.id) == bytes(MIB)
    clone = tested.pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    assert tested.digest(clone.id) == old


def test_clones_of_clones_to_depth_ten_keep_every_generation(tested: TestedPool) -> None:
    volume = written(tested, "generation 0")
    digests = {volume.id: tested.digest(volume.id)}
    for depth in range(1, 11):
        [snapshot] = tested.snapshot(f"s{depth}", volume.id)
        volume = tested.pool.clone_snapshot(snapshot.id, new_clone(f"generation {depth}", snapshot))
        assert tested.digest(volume.id) == digests[snapshot.volume]
        tested.write(volume.id, depth * 4096, f"generation {depth}".encode())
        digests[volume.id] = tested.digest(volume.id)
    assert len(set(digests.values())) == 11
    tested.pool.delete_snapshots([snapshot.id for snapshot in tested.pool.snapshots()])
    for deleted in list(digests)[0:10:2]:
        tested.pool.delete_volume(deleted)
        del digests[deleted]
    tested.restart()
    assert {volume.id: tested.digest(volume.id) for volume in tested.pool.volumes()} == digests
    assert tested.strays() == []


def test_a_grown_volume_and_its_older_snapshot_have_their_own_sizes(tested: TestedPool) -> None:
    volume = written(tested, "a")
    [before] = tested.snapshot("before", volume.id)
    tested.pool.grow_volume(volume.id, Bytes(2 * MIB))
    [after] = tested.snapshot("after", volume.id)
    assert (before.size, after.size) == (MIB, 2 * MIB)
    assert tested.pool.snapshot(before.id).size == MIB


def test_snapshots_are_listed_by_id_and_by_volume(tested: TestedPool) -> None:
    volumes = [written(tested, name) for name in "ab"]
    cut = [tested.snapshot(f"s{number}", volumes[number % 2].id)[0] for number in range(10)]
    assert list(tested.pool.snapshots()) == sorted(cut, key=lambda snapshot: snapshot.id)
    for volume in volumes:
        of_it = [snapshot for snapshot in tested.pool.snapshots() if snapshot.volume == volume.id]
        assert list(tested.pool.snapshots_of(volume.id)) == of_it
        assert len(of_it) == 5
    assert list(tested.pool.snapshots_of(VolumeId.of_name("never"))) == []


def test_a_strict_pool_does_not_cut_twice(bare: TestedPool) -> None:
    volume = written(bare, "a")
    [snapshot] = bare.snapshot("s", volume.id)
    for news in (["s"], ["t", "s"], ["t", "t"]):
        with pytest.raises(SnapshotExists):
            bare.pool.take_snapshots([NewSnapshot(name, volume.id) for name in news])
    assert list(bare.pool.snapshots()) == [snapshot]
    assert bare.strays() == []


def test_a_cut_asked_for_again_is_answered_as_the_first_also_after_a_restart(tested: TestedPool) -> None:
    volume = written(tested, "a")
    [first] = tested.snapshot("s", volume.id)
    tested.write(volume.id, 0, b"later")
    tested.restart()
    assert list(tested.snapshot("s", volume.id)) == [first]


def test_deleting_is_all_or_none_too(bare: TestedPool) -> None:
    volume = written(bare, "a")
    cut = [bare.snapshot(name, volume.id)[0] for name in "st"]
    with pytest.raises(SnapshotNotFound):
        bare.pool.delete_snapshots([cut[0].id, SnapshotId.of_name("never"), cut[1].id])
    assert len(bare.pool.snapshots()) == 2
    bare.pool.delete_snapshots([snapshot.id for snapshot in cut])
    bare.pool.delete_snapshots([])
    assert (list(bare.pool.snapshots()), bare.strays()) == ([], [])


def test_a_group_has_the_contents_of_each_member_in_the_order_asked_for(tested: TestedPool) -> None:
    volumes = [written(tested, name) for name in ("one", "two", "three", "four")]
    digests = [tested.digest(volume.id) for volume in volumes]
    cut = tested.pool.take_snapshots(new_group("g", volumes))
    assert [snapshot.volume for snapshot in cut] == [volume.id for volume in volumes]
    assert {snapshot.group for snapshot in cut} == {GroupMembership.of_name("g", 4)}
    for volume in volumes:
        tested.pool.delete_volume(volume.id)
    clones = [tested.pool.clone_snapshot(each.id, new_clone(f"c{each.id}", each)) for each in cut]
    assert [tested.digest(clone.id) for clone in clones] == digests


@pytest.mark.parametrize("member", [0, 1, 2, 3])
def test_a_group_is_cut_wholly_or_not_at_all(tested: TestedPool, member: int) -> None:
    volumes = [written(tested, f"v{number}") for number in range(4)]
    digests = [tested.digest(volume.id) for volume in volumes]
    for failing in tested.harness.failing_cuts(tested.strict, member):
        with failing, pytest.raises(Damaged):
            tested.pool.take_snapshots(new_group("g", volumes))
        assert (list(tested.pool.snapshots()), tested.strays()) == ([], [])
        with pytest.raises(GroupNotFound):
            tested.pool.group(GroupId.of_name("g"))
    tested.restart()
    assert (list(tested.pool.snapshots()), tested.strays()) == ([], [])
    for volume in volumes:
        tested.write(volume.id, 0, b"the writers go on")
        tested.write(volume.id, 0, bytes(17))
    cut = tested.pool.take_snapshots(new_group("g", volumes))
    clones = [tested.pool.clone_snapshot(each.id, new_clone(f"c{each.id}", each)) for each in cut]
    assert [tested.digest(clone.id) for clone in clones] == digests


@pytest.mark.parametrize("member", [0, 1, 2])
def test_a_member_that_is_not_there_or_was_cut_before_leaves_no_group(bare: TestedPool, member: int) -> None:
    volumes = [written(bare, f"v{number}") for number in range(3)]
    news = new_group("g", volumes)
    unknown = [*news]
    unknown[member] = replace(news[member], volume=VolumeId.of_name("never"))
    with pytest.raises(VolumeNotFound):
        bare.pool.take_snapshots(unknown)
    [taken] = bare.snapshot(news[member].name, volumes[member].id)
    with pytest.raises(SnapshotExists):
        bare.pool.take_snapshots(news)
    assert list(bare.pool.snapshots()) == [taken]
    assert bare.strays() == []


def test_raw_volumes_in_use_are_cut_together_or_that_is_said(tested: TestedPool) -> None:
    volumes = [written(tested, name) for name in "ab"]
    for volume in volumes:
        tested.pool.attach(volume.id)
    with tested.in_use(volumes[0].id), tested.in_use(volumes[1].id):
        if tested.pool.traits.raw_snapshots_together:
            cut = tested.pool.take_snapshots(new_group("g", volumes))
            assert {each.consistency for each in cut} == {Consistency.CRASH}
            return
        with pytest.raises(NotSupported):
            tested.pool.take_snapshots(new_group("g", volumes))
        assert list(tested.pool.snapshots()) == []
        cut = tested.pool.take_snapshots(new_group("g", volumes), aligned=False)
        assert {each.consistency for each in cut} == {Consistency.SHARED}


def test_one_raw_volume_in_use_is_cut_as_a_power_cut_would_leave_it(tested: TestedPool) -> None:
    volume = written(tested, "a")
    digest = tested.digest(volume.id)
    tested.pool.attach(volume.id)
    with tested.in_use(volume.id):
        [snapshot] = tested.snapshot("s", volume.id)
    assert snapshot.consistency is Consistency.CRASH
    clone = tested.pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    assert tested.digest(clone.id) == digest


def test_a_snapshot_has_a_footprint(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(new_volume("a", 4))
    tested.write(volume.id, 0, os.urandom(2 * MIB))
    [snapshot] = tested.snapshot("s", volume.id)
    footprint = tested.pool.footprint(snapshot.id)
    assert 2 * MIB <= footprint.allocated < 3 * MIB
    assert footprint.extents >= 1
