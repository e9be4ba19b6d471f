from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.errors import CallerGone, SystemCallFailed, ToolFailed, VolumeDamaged, VolumeNotFound
from rokcsi.model.provisioner import GroupRequest, SnapshotFilter, SnapshotRequest, Verification, VolumeRequest
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.snapshot import Snapshot
from tests.fakes.provisioners import ProvisionerInMemory

RANGE = SizeRange(Bytes(300 << 20))


@pytest.fixture
def house(tmp_path: Path) -> ProvisionerInMemory:
    return ProvisionerInMemory.fresh(tmp_path)


def formatted(house: ProvisionerInMemory, name: str, filesystem: str | None = "xfs") -> str:
    volume = house.provisioner.provision(VolumeRequest(name, RANGE, filesystem))
    house.memory.mark_formatted(volume.id)
    return house.provisioner.handles.of_volume(volume.id)


def checked_cut(house: ProvisionerInMemory, volume: str, name: str = "s") -> Snapshot:
    return house.provisioner.cut(SnapshotRequest(name, volume, Verification.CHECK))


def test_a_sound_snapshot_is_checked_once(house: ProvisionerInMemory) -> None:
    volume = formatted(house, "a")
    first = checked_cut(house, volume)
    assert house.checker.checks == 1
    assert checked_cut(house, volume) == first
    assert house.checker.checks == 1
    assert len(house.memory.volumes()) == 1


def test_a_damaged_snapshot_is_not_handed_out_and_leaves_nothing(house: ProvisionerInMemory) -> None:
    volume = formatted(house, "a")
    house.checker.unsound = lambda _: True
    with pytest.raises(VolumeDamaged):
        checked_cut(house, volume)
    assert len(house.memory.volumes()) == 1
    assert list(house.memory.snapshots()) == []


def test_a_damaged_source_gives_no_clone(house: ProvisionerInMemory) -> None:
    volume = formatted(house, "a")
    snapshot = house.provisioner.cut(SnapshotRequest("s", volume))
    from_snapshot = VolumeRequest(
        "c",
        SizeRange(),
        "xfs",
        from_snapshot=house.provisioner.handles.of_snapshot(snapshot.id),
        verify_clone=Verification.CHECK,
    )
    from_volume = VolumeRequest("c", SizeRange(), "xfs", from_volume=volume, verify_clone=Verification.CHECK)
    house.checker.unsound = lambda _: True
    for request in (from_snapshot, from_volume):
        with pytest.raises(VolumeDamaged):
            house.provisioner.provision(request)
        assert len(house.memory.volumes()) == 1
        assert list(house.memory.snapshots()) == [snapshot]
    house.checker.unsound = lambda _: False
    assert house.provisioner.provision(from_snapshot).size == RANGE.required


def test_one_damaged_member_and_the_whole_group_goes(house: ProvisionerInMemory) -> None:
    volumes = tuple(formatted(house, name) for name in "abc")
    checks: list[Path] = []

    def third(device: Path) -> bool:
        checks.append(device)
        return len(checks) == 3

    house.checker.unsound = third
    with pytest.raises(VolumeDamaged):
        house.provisioner.cut_group(GroupRequest("g", volumes, verify=Verification.CHECK))
    assert list(house.memory.snapshots()) == []
    assert len(house.memory.volumes()) == 3


def test_there_is_nothing_to_check_on_a_raw_or_never_formatted_volume(house: ProvisionerInMemory) -> None:
    blank = house.provisioner.provision(VolumeRequest("blank", RANGE, "xfs"))
    checked_cut(house, house.provisioner.handles.of_volume(blank.id), "of blank")
    checked_cut(house, formatted(house, "raw", None), "of raw")
    assert house.checker.checks == 0


def test_a_crash_in_the_middle_of_a_check_leaves_nothing_and_the_repeated_call_checks(
    house: ProvisionerInMemory,
) -> None:
    volume = formatted(house, "a")
    with house.interrupted():
        pending = checked_cut(house, volume)
    assert len(house.memory.volumes()) == 2
    assert len(house.provisioner.volumes()) == 1
    again = house.restarted()
    assert len(again.memory.volumes()) == 1
    passed = again.provisioner.cut(SnapshotRequest("s", volume))
    assert again.checker.checks == 1
    assert (passed.created_at, passed.labels) == (pending.created_at, {"verification": "passed"})
    assert len(again.provisioner.snapshots(SnapshotFilter())) == 1


def test_a_leftover_that_something_holds_waits_for_the_next_start(house: ProvisionerInMemory) -> None:
    volume = formatted(house, "a")
    with house.interrupted():
        checked_cut(house, volume)
    [leftover] = [each for each in house.memory.volumes() if each not in house.provisioner.volumes()]
    with house.memory.held(leftover.id):
        assert len(house.restarted().memory.volumes()) == 2
    assert len(house.restarted().memory.volumes()) == 1


def test_a_check_that_could_not_be_made_leaves_the_snapshot_to_the_repeated_call(house: ProvisionerInMemory) -> None:
    volume = formatted(house, "a")
    for failure in (ToolFailed("xfs_repair is not installed"), SystemCallFailed("permission denied")):
        house.checker.unsound = _raising(failure)
        with pytest.raises(type(failure)):
            checked_cut(house, volume)
    assert [snapshot.labels["verification"] for snapshot in house.memory.snapshots()] == ["pending"]
    assert len(house.memory.volumes()) == 1
    house.checker.unsound = lambda _: False
    assert checked_cut(house, volume).labels == {"verification": "passed"}
    house.memory.delete_snapshots([snapshot.id for snapshot in house.memory.snapshots()])
    house.checker.unsound = lambda _: True
    with pytest.raises(VolumeDamaged):
        checked_cut(house, volume)
    assert list(house.memory.snapshots()) == []


@pytest.mark.parametrize("damaged", [False, True])
def test_what_was_made_on_the_way_goes_although_the_caller_is_gone(
    house: ProvisionerInMemory, *, damaged: bool
) -> None:
    volume = formatted(house, "a")
    there = [True]

    def leave(_: Path) -> bool:
        there.clear()
        return damaged

    house.checker.unsound = leave
    copy = VolumeRequest("copy", SizeRange(), "xfs", from_volume=volume, verify_clone=Verification.CHECK)
    with deadline(Deadline(None, lambda: bool(there))), pytest.raises(VolumeDamaged if damaged else CallerGone):
        house.provisioner.provision(copy)
    assert (len(house.memory.volumes()), list(house.memory.snapshots())) == (1, [])


def test_a_damaged_snapshot_goes_although_the_caller_is_gone(house: ProvisionerInMemory) -> None:
    volume = formatted(house, "a")
    there = [True]
    house.checker.unsound = lambda _: there.pop()
    with deadline(Deadline(None, lambda: bool(there))), pytest.raises(VolumeDamaged):
        checked_cut(house, volume)
    assert (len(house.memory.volumes()), list(house.memory.snapshots())) == (1, [])


def test_a_clone_made_for_a_check_is_not_cut(house: ProvisionerInMemory) -> None:
    volume = formatted(house, "a")
    with house.interrupted():
        checked_cut(house, volume)
    [leftover] = [each for each in house.memory.volumes() if each not in house.provisioner.volumes()]
    hidden = house.provisioner.handles.of_volume(leftover.id)
    with pytest.raises(VolumeNotFound):
        house.provisioner.cut(SnapshotRequest("t", hidden))
    with pytest.raises(VolumeNotFound):
        house.provisioner.cut_group(GroupRequest("g", (volume, hidden)))
    assert len(house.memory.snapshots()) == 1


def _raising(failure: Exception) -> Callable[[Path], bool]:
    def fail(_: Path) -> bool:
        raise failure

    return fail
