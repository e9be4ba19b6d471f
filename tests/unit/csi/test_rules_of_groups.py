"""The rules of CSI for snapshots of several volumes, and for snapshots one by one."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.ids import shown_alone
from rokcsi.pools.memory import MemoryPool
from tests.fakes.csi_caller import Refused, block_capability, from_snapshot
from tests.fakes.csi_driver import CsiDriver, csi_driver

Code = grpc.StatusCode


@pytest.fixture
def volumes(driver: CsiDriver) -> list[str]:
    return [driver.volume(name).volume_id for name in ("workspace", "data", "models")]


def test_a_group_has_one_member_for_each_volume_and_all_are_ready(driver: CsiDriver, volumes: list[str]) -> None:
    group = driver.group(volumes)
    assert group.ready_to_use
    assert {member.source_volume_id for member in group.snapshots} == set(volumes)
    assert all(member.group_snapshot_id == group.group_snapshot_id for member in group.snapshots)


def test_a_repeated_group_gives_the_identical_answer_in_any_order(driver: CsiDriver, volumes: list[str]) -> None:
    first = driver.group(volumes)
    again = driver.group(list(reversed(volumes)))
    assert sorted(again.snapshots, key=str) == sorted(first.snapshots, key=str)
    assert again.creation_time == first.creation_time


def test_the_same_group_name_with_other_members_is_a_conflict(driver: CsiDriver, volumes: list[str]) -> None:
    driver.group(volumes)
    before = driver.everything()
    for others in (volumes[:2], [*volumes, driver.volume("more").volume_id][1:]):
        with pytest.raises(Refused) as refused:
            driver.group(others)
        assert refused.value.code is Code.ALREADY_EXISTS
    assert driver.everything()[1] == before[1]


def test_a_group_with_an_unknown_volume_cuts_nothing(driver: CsiDriver, volumes: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        driver.group([*volumes, "v-unknown"])
    assert refused.value.code is Code.NOT_FOUND
    assert not driver.pool.snapshots()


def test_a_group_that_fails_at_any_member_cuts_nothing_and_can_be_repeated(
    driver: CsiDriver, volumes: list[str]
) -> None:
    for member in range(len(volumes)):
        driver.pool.fail_cut_at(member)
        with pytest.raises(Refused):
            driver.group(volumes)
        assert not driver.pool.snapshots()
    assert len(driver.group(volumes).snapshots) == len(volumes)


def test_a_member_goes_only_with_its_group(driver: CsiDriver, volumes: list[str]) -> None:
    group = driver.group(volumes)
    with pytest.raises(Refused, match=group.group_snapshot_id) as refused:
        driver.call("DeleteSnapshot", csi.DeleteSnapshotRequest(snapshot_id=group.snapshots[0].snapshot_id))
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert len(driver.pool.snapshots()) == len(volumes)


def test_a_group_is_found_again_with_its_members(driver: CsiDriver, volumes: list[str]) -> None:
    group = driver.group(volumes)
    members = [member.snapshot_id for member in group.snapshots]
    request = csi.GetVolumeGroupSnapshotRequest(group_snapshot_id=group.group_snapshot_id, snapshot_ids=members)
    found = driver.call("GetVolumeGroupSnapshot", request).group_snapshot
    assert {each.snapshot_id for each in found.snapshots} == set(members)
    assert found.creation_time == group.creation_time


def test_other_members_than_the_groups_are_a_mismatch(driver: CsiDriver, volumes: list[str]) -> None:
    group = driver.group(volumes)
    alone = driver.snapshot(volumes[0], "alone").snapshot_id
    for method in ("GetVolumeGroupSnapshot", "DeleteVolumeGroupSnapshot"):
        request = getattr(csi, f"{method}Request")(group_snapshot_id=group.group_snapshot_id, snapshot_ids=[alone])
        with pytest.raises(Refused) as refused:
            driver.call(method, request)
        assert refused.value.code is Code.INVALID_ARGUMENT
    assert len(driver.pool.snapshots()) == len(volumes) + 1


def test_a_deleted_group_takes_its_members_along_and_clones_live_on(driver: CsiDriver, volumes: list[str]) -> None:
    group = driver.group(volumes)
    clone = driver.volume("clone", volume_content_source=from_snapshot(group.snapshots[0].snapshot_id))
    members = [member.snapshot_id for member in group.snapshots]
    request = csi.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=group.group_snapshot_id, snapshot_ids=members)
    driver.call("DeleteVolumeGroupSnapshot", request)
    assert not driver.pool.snapshots()
    listed = driver.call("ListVolumes", csi.ListVolumesRequest()).entries
    assert clone.volume_id in {entry.volume.volume_id for entry in listed}


def test_a_group_that_is_gone_is_not_found(driver: CsiDriver) -> None:
    with pytest.raises(Refused) as refused:
        driver.call("GetVolumeGroupSnapshot", csi.GetVolumeGroupSnapshotRequest(group_snapshot_id="g"))
    assert refused.value.code is Code.NOT_FOUND


def test_raw_volumes_in_use_are_cut_together_only_when_the_class_allows_it(folder: Path) -> None:
    folder.joinpath("pool").mkdir()
    with csi_driver(folder, MemoryPool(folder / "pool", raw_snapshots_together=False)) as loops:
        raw = [loops.volume(name, volume_capabilities=[block_capability()]).volume_id for name in ("a", "b")]
        for volume in loops.pool.volumes():
            loops.pool.attach(volume.id)
        with pytest.raises(Refused) as refused:
            loops.group(raw)
        assert refused.value.code is Code.FAILED_PRECONDITION
        assert not loops.pool.snapshots()
        request = csi.CreateVolumeGroupSnapshotRequest(
            name="g", source_volume_ids=raw, parameters={"allowUnalignedGroup": "true"}
        )
        for _ in range(2):
            _, told = loops.call_with_metadata("CreateVolumeGroupSnapshot", request)
            assert told["rokcsi-consistency"] == "shared-while-written"


def test_the_freeze_facts_come_with_a_snapshot_each_time_it_is_asked_for(driver: CsiDriver, volumes: list[str]) -> None:
    request = csi.CreateSnapshotRequest(name="s", source_volume_id=volumes[0])
    for _ in range(2):
        _, told = driver.call_with_metadata("CreateSnapshot", request)
        assert told["rokcsi-consistency"] == "frozen"
        assert float(told["rokcsi-freeze-window-seconds"]) >= 0.0


def test_a_snapshot_is_found_by_its_id(driver: CsiDriver, volumes: list[str]) -> None:
    snapshot = driver.snapshot(volumes[0])
    request = csi.GetSnapshotRequest(snapshot_id=snapshot.snapshot_id)
    assert driver.call("GetSnapshot", request).snapshot == snapshot


def test_a_member_is_shown_by_itself_under_its_second_handle(driver: CsiDriver, volumes: list[str]) -> None:
    member = driver.group(volumes).snapshots[0]
    alone = shown_alone(member.snapshot_id)
    listed = driver.call("ListSnapshots", csi.ListSnapshotsRequest(snapshot_id=alone))
    [entry] = listed.entries
    got = driver.call("GetSnapshot", csi.GetSnapshotRequest(snapshot_id=alone)).snapshot
    for shown in (entry.snapshot, got):
        assert (shown.snapshot_id, shown.group_snapshot_id) == (alone, "")
        assert (shown.size_bytes, shown.creation_time) == (member.size_bytes, member.creation_time)
    clone = driver.volume("clone", volume_content_source=from_snapshot(alone))
    assert clone == driver.volume("clone", volume_content_source=from_snapshot(member.snapshot_id))


def test_nothing_is_deleted_by_the_handle_that_shows_a_member_alone(driver: CsiDriver, volumes: list[str]) -> None:
    member = driver.group(volumes).snapshots[0].snapshot_id
    single = driver.snapshot(volumes[0]).snapshot_id
    before = driver.everything()
    for handle in (member, single):
        driver.call("DeleteSnapshot", csi.DeleteSnapshotRequest(snapshot_id=shown_alone(handle)))
    assert driver.everything() == before


def test_lists_show_every_member_once_with_its_group(driver: CsiDriver, volumes: list[str]) -> None:
    group = driver.group(volumes)
    entries = driver.call("ListSnapshots", csi.ListSnapshotsRequest()).entries
    assert [entry.snapshot.group_snapshot_id for entry in entries] == [group.group_snapshot_id] * len(volumes)
    assert {entry.snapshot.snapshot_id[0] for entry in entries} == {"s"}
