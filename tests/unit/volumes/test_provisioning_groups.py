from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.model.errors import (
    GroupDiffers,
    GroupNotFound,
    InvalidRequest,
    NotSupported,
    SystemCallFailed,
    VolumeNotFound,
)
from rokcsi.model.ids import GroupId
from rokcsi.model.provisioner import GroupRequest, SnapshotFilter, SnapshotRequest, VolumeRequest
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.snapshot import Consistency, Snapshot
from rokcsi.pools.memory import MemoryPool
from rokcsi.volumes.provisioning import PoolProvisioner
from tests.fakes.provisioners import ProvisionerInMemory

RANGE = SizeRange(Bytes(1 << 30))


@pytest.fixture
def house(tmp_path: Path) -> ProvisionerInMemory:
    return ProvisionerInMemory.fresh(tmp_path)


@pytest.fixture
def provisioner(house: ProvisionerInMemory) -> PoolProvisioner:
    return house.provisioner


def made(provisioner: PoolProvisioner, names: str, filesystem: str | None = "xfs") -> tuple[str, ...]:
    volumes = [provisioner.provision(VolumeRequest(name, RANGE, filesystem)) for name in names]
    return tuple(provisioner.handles.of_volume(volume.id) for volume in volumes)


def group_of(provisioner: PoolProvisioner, member: Snapshot) -> str:
    assert member.group is not None
    return provisioner.handles.of_group(member.group.id)


def handles_of(provisioner: PoolProvisioner, snapshots: list[Snapshot]) -> list[str]:
    return [provisioner.handles.of_snapshot(snapshot.id) for snapshot in snapshots]


def test_a_group_has_a_snapshot_of_each_volume_in_the_order_asked_for(provisioner: PoolProvisioner) -> None:
    volumes = made(provisioner, "cab")
    members = provisioner.cut_group(GroupRequest("g", volumes, labels={"run": "7"}))
    assert tuple(provisioner.handles.of_volume(member.volume) for member in members) == volumes
    assert all(member.labels == {"run": "7"} for member in members)
    assert {member.group.count for member in members if member.group} == {3}
    assert len({member.created_at for member in members}) == 1
    found = provisioner.group(group_of(provisioner, members[0]))
    assert sorted(member.id for member in found) == sorted(member.id for member in members)


def test_a_group_cut_again_is_the_same_whatever_the_order(provisioner: PoolProvisioner) -> None:
    volumes = made(provisioner, "abc")
    first = list(provisioner.cut_group(GroupRequest("g", volumes)))
    assert list(provisioner.cut_group(GroupRequest("g", volumes[::-1]))) == first[::-1]


@pytest.mark.parametrize("members", [(0,), (0, 1), (0, 1, 3), (3,)])
def test_a_group_of_the_same_name_with_other_members_is_refused(
    provisioner: PoolProvisioner, members: tuple[int, ...]
) -> None:
    volumes = made(provisioner, "abcd")
    provisioner.cut_group(GroupRequest("g", volumes[:3]))
    with pytest.raises(GroupDiffers):
        provisioner.cut_group(GroupRequest("g", tuple(volumes[member] for member in members)))
    assert len(provisioner.snapshots(SnapshotFilter())) == 3


def test_no_members_and_twice_the_same_member_are_refused(provisioner: PoolProvisioner) -> None:
    volumes = made(provisioner, "a")
    for wrong in ((), volumes * 2):
        with pytest.raises(InvalidRequest, match="each volume once"):
            provisioner.cut_group(GroupRequest("g", wrong))


def test_one_unknown_member_and_nothing_is_cut(provisioner: PoolProvisioner) -> None:
    volumes = made(provisioner, "ab")
    provisioner.remove_volume(volumes[1])
    for unknown in (volumes[1], "nonsense"):
        with pytest.raises(VolumeNotFound):
            provisioner.cut_group(GroupRequest("g", (volumes[0], unknown)))
    assert list(provisioner.snapshots(SnapshotFilter())) == []


def test_a_failing_member_leaves_no_group_and_the_name_free(house: ProvisionerInMemory) -> None:
    volumes = made(house.provisioner, "abc")
    house.memory.fail_cut_at(2)
    with pytest.raises(SystemCallFailed):
        house.provisioner.cut_group(GroupRequest("g", volumes))
    assert list(house.memory.snapshots()) == []
    assert len(house.provisioner.cut_group(GroupRequest("g", volumes))) == 3


def test_a_member_is_not_removed_alone(provisioner: PoolProvisioner) -> None:
    members = list(provisioner.cut_group(GroupRequest("g", made(provisioner, "ab"))))
    with pytest.raises(InvalidRequest, match="remove the group instead"):
        provisioner.remove_snapshot(provisioner.handles.of_snapshot(members[0].id))
    assert len(provisioner.snapshots(SnapshotFilter())) == 2


def test_a_group_goes_with_all_its_members_and_going_again_is_nothing(provisioner: PoolProvisioner) -> None:
    members = list(provisioner.cut_group(GroupRequest("g", made(provisioner, "ab"))))
    group = group_of(provisioner, members[0])
    for _ in range(2):
        provisioner.remove_group(group, handles_of(provisioner, members))
    assert list(provisioner.snapshots(SnapshotFilter())) == []
    with pytest.raises(GroupNotFound):
        provisioner.group(group)


def test_a_group_goes_also_when_nobody_names_its_members(provisioner: PoolProvisioner) -> None:
    members = list(provisioner.cut_group(GroupRequest("g", made(provisioner, "ab"))))
    provisioner.remove_group(group_of(provisioner, members[0]), [])
    assert list(provisioner.snapshots(SnapshotFilter())) == []


def test_a_group_is_kept_when_others_or_too_few_are_named(provisioner: PoolProvisioner) -> None:
    volumes = made(provisioner, "abc")
    members = list(provisioner.cut_group(GroupRequest("g", volumes[:2])))
    other = provisioner.cut(SnapshotRequest("s", volumes[2]))
    named = handles_of(provisioner, members)
    for wrong in ([*named, provisioner.handles.of_snapshot(other.id)], ["nonsense"], named[:1]):
        with pytest.raises(InvalidRequest):
            provisioner.remove_group(group_of(provisioner, members[0]), wrong)
    assert len(provisioner.snapshots(SnapshotFilter())) == 3


def test_an_unknown_group_has_no_members(provisioner: PoolProvisioner) -> None:
    for unknown in ("", "nonsense", provisioner.handles.of_group(GroupId.of_name("never"))):
        with pytest.raises(GroupNotFound):
            provisioner.group(unknown)


def test_raw_volumes_in_use_are_cut_apart_only_when_that_is_allowed(tmp_path: Path) -> None:
    contents = tmp_path / "contents"
    contents.mkdir()
    memory = MemoryPool(contents, raw_snapshots_together=False)
    provisioner = ProvisionerInMemory.over(memory, tmp_path).provisioner
    volumes = made(provisioner, "ab", None)
    for volume in memory.volumes():
        memory.attach(volume.id)
    with pytest.raises(NotSupported):
        provisioner.cut_group(GroupRequest("g", volumes))
    members = provisioner.cut_group(GroupRequest("g", volumes, allow_unaligned=True))
    assert {member.consistency for member in members} == {Consistency.SHARED}
