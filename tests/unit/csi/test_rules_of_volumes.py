"""The rules of CSI that drivers break most often, as far as they show in the Controller service."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.ids import PoolId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.pools.memory import MemoryPool
from tests.fakes.csi_caller import (
    GIB,
    Refused,
    block_capability,
    create_request,
    from_snapshot,
    from_volume,
    mount_capability,
)
from tests.fakes.csi_driver import CsiDriver, csi_driver

Code = grpc.StatusCode


def refusal(call: Callable[[], object]) -> Refused:
    """Give how a call was refused."""
    with pytest.raises(Refused) as refused:
        call()
    return refused.value


def test_a_repeated_create_gives_the_identical_answer(driver: CsiDriver) -> None:
    snapshot = driver.snapshot(driver.volume("a").volume_id).snapshot_id
    first = driver.volume("b", volume_content_source=from_snapshot(snapshot))
    assert driver.volume("b", volume_content_source=from_snapshot(snapshot)) == first
    assert first.content_source.snapshot.snapshot_id == snapshot


def test_a_repeated_create_is_compatible_when_the_size_lies_in_the_range(driver: CsiDriver) -> None:
    first = driver.volume("a", size=GIB)
    assert driver.volume("a", size=GIB // 2, limit=2 * GIB) == first
    assert driver.volume("a", size=0) == first


@pytest.mark.parametrize(
    "fields",
    [
        {"size": 2 * GIB},
        {"size": GIB // 2, "limit": GIB // 2},
        {"volume_capabilities": [block_capability()]},
        {"volume_capabilities": [mount_capability(fs_type="ext4")]},
    ],
)
def test_the_same_name_for_another_volume_is_a_conflict(driver: CsiDriver, fields: dict[str, Any]) -> None:
    driver.volume("a")
    before = driver.everything()
    assert refusal(lambda: driver.volume("a", **fields)).code is Code.ALREADY_EXISTS
    assert driver.everything() == before


def test_the_same_name_with_another_source_is_a_conflict(driver: CsiDriver) -> None:
    one, two = driver.volume("one").volume_id, driver.volume("two").volume_id
    driver.volume("a", volume_content_source=from_volume(one))
    for source in (from_volume(two), from_snapshot(driver.snapshot(one).snapshot_id), None):
        refused = refusal(partial(driver.volume, "a", volume_content_source=source))
        assert refused.code is Code.ALREADY_EXISTS


def test_a_repeated_snapshot_gives_the_identical_answer_and_creation_time(driver: CsiDriver) -> None:
    volume = driver.volume().volume_id
    assert driver.snapshot(volume) == driver.snapshot(volume)


def test_the_same_name_for_a_snapshot_of_another_volume_is_a_conflict(driver: CsiDriver) -> None:
    driver.snapshot(driver.volume("a").volume_id)
    other = driver.volume("b").volume_id
    assert refusal(lambda: driver.snapshot(other)).code is Code.ALREADY_EXISTS


def test_a_clone_smaller_than_its_source_is_out_of_range(driver: CsiDriver) -> None:
    source = driver.volume("a", size=2 * GIB).volume_id
    snapshot = driver.snapshot(source).snapshot_id
    for origin in (from_snapshot(snapshot), from_volume(source)):
        refused = refusal(partial(driver.volume, "b", size=GIB, volume_content_source=origin))
        assert refused.code is Code.OUT_OF_RANGE
    assert len(driver.pool.volumes()) == 1


def test_a_clone_may_be_larger_than_its_source_and_says_so(driver: CsiDriver) -> None:
    source = driver.volume("a").volume_id
    assert driver.volume("b", size=3 * GIB, volume_content_source=from_volume(source)).capacity_bytes == 3 * GIB


def test_a_clone_without_a_size_has_its_sources(driver: CsiDriver) -> None:
    source = driver.volume("a", size=3 * GIB).volume_id
    assert driver.volume("b", size=0, volume_content_source=from_volume(source)).capacity_bytes == 3 * GIB


def test_a_clone_of_ext4_needs_no_word_for_its_file_system(driver: CsiDriver) -> None:
    source = driver.volume("a", volume_capabilities=[mount_capability(fs_type="ext4")]).volume_id
    copy = driver.volume("b", volume_content_source=from_volume(source))
    confirmed = driver.call(
        "ValidateVolumeCapabilities",
        csi.ValidateVolumeCapabilitiesRequest(
            volume_id=copy.volume_id, volume_capabilities=[mount_capability(fs_type="ext4")]
        ),
    )
    assert confirmed.HasField("confirmed")


def test_a_source_that_is_gone_is_not_found(driver: CsiDriver) -> None:
    source = driver.volume("a").volume_id
    driver.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=source))
    assert refusal(lambda: driver.volume("b", volume_content_source=from_volume(source))).code is Code.NOT_FOUND


def test_a_volume_wanted_on_another_node_makes_the_provisioner_choose_again(driver: CsiDriver) -> None:
    elsewhere = csi.TopologyRequirement(requisite=[csi.Topology(segments={"topology.rokcsi.dev/node": "node-2"})])
    refused = refusal(lambda: driver.volume(accessibility_requirements=elsewhere))
    assert refused.code is Code.RESOURCE_EXHAUSTED
    assert "node-1" in refused.message
    assert not driver.pool.volumes()


def test_one_matching_place_among_several_is_enough_and_the_volume_says_where_it_is(driver: CsiDriver) -> None:
    places = [csi.Topology(segments={"topology.rokcsi.dev/node": name}) for name in ("node-2", "node-1")]
    requirement = csi.TopologyRequirement(requisite=places, preferred=places)
    volume = driver.volume(accessibility_requirements=requirement)
    assert list(volume.accessible_topology) == [places[1]]


def test_a_mere_preference_for_another_node_is_no_reason_to_refuse(driver: CsiDriver) -> None:
    elsewhere = csi.TopologyRequirement(preferred=[csi.Topology(segments={"topology.rokcsi.dev/node": "node-2"})])
    assert driver.volume(accessibility_requirements=elsewhere).volume_id


def test_concurrent_duplicates_make_one_volume_and_all_get_it(driver: CsiDriver) -> None:
    together = Barrier(8)

    def create(_: int) -> csi.Volume:
        together.wait(timeout=20)
        return driver.volume("a")

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(create, range(8)))
    assert len(driver.pool.volumes()) == 1
    assert all(answer == answers[0] for answer in answers)


def test_a_deleted_volume_leaves_its_snapshots_usable(driver: CsiDriver) -> None:
    volume = driver.volume("a").volume_id
    snapshot = driver.snapshot(volume)
    driver.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume))
    listed = driver.call("ListSnapshots", csi.ListSnapshotsRequest(source_volume_id=volume))
    assert [entry.snapshot for entry in listed.entries] == [snapshot]
    assert driver.volume("b", volume_content_source=from_snapshot(snapshot.snapshot_id)).volume_id


def test_deleting_twice_and_deleting_the_unknown_are_fine(driver: CsiDriver) -> None:
    volume = driver.volume().volume_id
    snapshot = driver.snapshot(volume).snapshot_id
    group = driver.group([volume]).group_snapshot_id
    for _ in range(2):
        driver.call("DeleteSnapshot", csi.DeleteSnapshotRequest(snapshot_id=snapshot))
        driver.call("DeleteVolumeGroupSnapshot", csi.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=group))
        driver.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume))
    assert driver.everything() == ([], [], {}, {})


def test_a_volume_in_use_is_not_deleted(driver: CsiDriver) -> None:
    volume = driver.volume().volume_id
    with driver.pool.held(driver.pool.volumes()[0].id):
        refused = refusal(lambda: driver.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume)))
    assert refused.code is Code.FAILED_PRECONDITION
    assert driver.call("ControllerGetVolume", csi.ControllerGetVolumeRequest(volume_id=volume)).HasField("status")


def test_a_handle_of_another_pool_is_an_unknown_one(driver: CsiDriver) -> None:
    foreign = f"v-{PoolId.fresh()}-{VolumeId.of_name('v')}"
    driver.volume("v")
    driver.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=foreign))
    assert len(driver.pool.volumes()) == 1
    assert refusal(lambda: driver.snapshot(foreign)).code is Code.NOT_FOUND


def test_snapshots_are_listed_for_nobody_when_the_id_is_unknown(driver: CsiDriver) -> None:
    driver.snapshot(driver.volume().volume_id)
    for request in (csi.ListSnapshotsRequest(snapshot_id="x"), csi.ListSnapshotsRequest(source_volume_id="x")):
        assert not driver.call("ListSnapshots", request).entries


def test_a_full_pool_is_the_one_error_that_moves_a_volume_elsewhere(folder: Path) -> None:
    folder.joinpath("pool").mkdir()
    with csi_driver(folder, MemoryPool(folder / "pool", total=Bytes(GIB))) as small:
        refused = refusal(lambda: small.volume(size=40 * GIB))
        assert refused.code is Code.RESOURCE_EXHAUSTED
        assert not small.pool.volumes()


def test_growing_says_that_the_node_has_to_follow_and_never_shrinks(driver: CsiDriver) -> None:
    def grow(volume_id: str, size: int) -> Any:
        room = csi.CapacityRange(required_bytes=size)
        request = csi.ControllerExpandVolumeRequest(volume_id=volume_id, capacity_range=room)
        return driver.call("ControllerExpandVolume", request)

    files = driver.volume("files").volume_id
    raw = driver.volume("raw", volume_capabilities=[block_capability()]).volume_id
    assert grow(files, 2 * GIB) == csi.ControllerExpandVolumeResponse(
        capacity_bytes=2 * GIB, node_expansion_required=True
    )
    assert grow(files, GIB).capacity_bytes == 2 * GIB
    assert not grow(raw, 2 * GIB).node_expansion_required


def test_growing_as_something_else_than_it_is_exceeds_the_volumes_capabilities(driver: CsiDriver) -> None:
    request = csi.ControllerExpandVolumeRequest(
        volume_id=driver.volume().volume_id,
        capacity_range=csi.CapacityRange(required_bytes=2 * GIB),
        volume_capability=block_capability(),
    )
    assert refusal(lambda: driver.call("ControllerExpandVolume", request)).code is Code.INVALID_ARGUMENT


def test_the_same_name_with_other_mutable_parameters_is_another_volume(driver: CsiDriver) -> None:
    made = driver.volume("a", mutable_parameters={"checkpoint-policy": "steps"})
    driver.volume("b")
    for name, others in (("a", {}), ("a", {"checkpoint-policy": "none"}), ("b", {"checkpoint-policy": "steps"})):
        refused = refusal(partial(driver.volume, name, mutable_parameters=others))
        assert refused.code is Code.ALREADY_EXISTS
    modify = csi.ControllerModifyVolumeRequest(
        volume_id=made.volume_id, mutable_parameters={"checkpoint-policy": "none"}
    )
    driver.call("ControllerModifyVolume", modify)
    assert driver.volume("a", mutable_parameters={"checkpoint-policy": "steps"}) == made


def test_checks_of_a_clone_make_no_other_volume_and_are_not_compared(driver: CsiDriver) -> None:
    made = driver.volume("a")
    for flag in ("rok/pre-clone-verification", "rok/post-clone-verification", "rok/wait-for-hydration"):
        assert driver.volume("a", parameters={flag: "true"}) == made


def test_a_volume_begins_with_its_mutable_parameters_or_not_at_all(driver: CsiDriver) -> None:
    driver.volume("a", mutable_parameters={"checkpoint-policy": "steps"})
    assert driver.pool.volumes()[0].labels["checkpoint-policy"] == "steps"
    refused = refusal(lambda: driver.volume("b", mutable_parameters={"checkpoint-policies": "steps"}))
    assert refused.code is Code.INVALID_ARGUMENT
    assert "checkpoint-policies" in refused.message
    assert len(driver.pool.volumes()) == 1


def test_modifying_changes_only_the_keys_that_are_given(driver: CsiDriver) -> None:
    volume = driver.volume(mutable_parameters={"checkpoint-policy": "steps"}).volume_id
    driver.call("ControllerModifyVolume", csi.ControllerModifyVolumeRequest(volume_id=volume))
    assert driver.pool.volumes()[0].labels["checkpoint-policy"] == "steps"
    request = csi.ControllerModifyVolumeRequest(volume_id=volume, mutable_parameters={"checkpoint-policy": "none"})
    driver.call("ControllerModifyVolume", request)
    assert driver.pool.volumes()[0].labels["checkpoint-policy"] == "none"


def test_what_the_sidecars_tell_of_the_claim_is_kept_as_labels(driver: CsiDriver) -> None:
    told = {"csi.storage.k8s.io/pvc/name": "workspace", "csi.storage.k8s.io/pvc/namespace": "ada"}
    driver.volume(parameters={**told, "rok/wait-for-hydration": "true"})
    assert dict(driver.pool.volumes()[0].labels) == told


def test_nothing_about_a_volume_is_put_into_its_context(driver: CsiDriver) -> None:
    assert not driver.volume().volume_context


def test_capacity_is_there_for_this_node_and_for_kinds_that_can_be_made(driver: CsiDriver) -> None:
    def room(**fields: Any) -> int:
        found: int = driver.call("GetCapacity", csi.GetCapacityRequest(**fields)).available_capacity
        return found

    here = csi.Topology(segments={"topology.rokcsi.dev/node": "node-1"})
    elsewhere = csi.Topology(segments={"topology.rokcsi.dev/node": "node-2"})
    assert room() == room(accessible_topology=here) > GIB
    assert room(volume_capabilities=[block_capability()]) > GIB
    assert room(accessible_topology=elsewhere) == 0
    assert room(volume_capabilities=[mount_capability(fs_type="btrfs")]) == 0


@pytest.mark.parametrize(
    ("capability", "words"),
    [
        (mount_capability("MULTI_NODE_MULTI_WRITER"), ""),
        (mount_capability("SINGLE_NODE_MULTI_WRITER", "xfs"), ""),
        (block_capability(), "xfs on it"),
        (mount_capability(fs_type="ext4"), "the volume has xfs"),
        (mount_capability(mount_flags=["suid"]), "suid"),
        (mount_capability(volume_mount_group="100"), "volume_mount_group"),
    ],
)
def test_capabilities_are_confirmed_or_the_message_says_why_not(
    driver: CsiDriver, capability: csi.VolumeCapability, words: str
) -> None:
    request = csi.ValidateVolumeCapabilitiesRequest(
        volume_id=driver.volume().volume_id, volume_capabilities=[mount_capability(), capability]
    )
    answer = driver.call("ValidateVolumeCapabilities", request)
    assert words in answer.message
    assert answer.HasField("confirmed") == (not words)
    assert list(answer.confirmed.volume_capabilities) == ([] if words else list(request.volume_capabilities))


def test_capabilities_of_a_volume_that_is_not_there_are_not_found(driver: CsiDriver) -> None:
    request = csi.ValidateVolumeCapabilitiesRequest(volume_id="x", volume_capabilities=[mount_capability()])
    assert refusal(lambda: driver.call("ValidateVolumeCapabilities", request)).code is Code.NOT_FOUND


def test_a_context_that_is_not_the_volumes_is_not_confirmed(driver: CsiDriver) -> None:
    request = csi.ValidateVolumeCapabilitiesRequest(
        volume_id=driver.volume().volume_id, volume_capabilities=[mount_capability()], volume_context={"path": "/etc"}
    )
    answer = driver.call("ValidateVolumeCapabilities", request)
    assert not answer.HasField("confirmed")
    assert "volume_context" in answer.message


def test_every_access_mode_of_one_node_is_accepted_together(driver: CsiDriver) -> None:
    modes = [name for name in csi.VolumeCapability.AccessMode.Mode.keys() if name != "UNKNOWN"]  # noqa: SIM118 - no dict
    assert driver.call("CreateVolume", create_request(volume_capabilities=[mount_capability(mode) for mode in modes]))
