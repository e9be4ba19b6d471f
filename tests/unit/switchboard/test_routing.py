"""Which node a call goes to."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.ids import PoolId
from tests.fakes.csi_caller import GIB, Refused, create_request, from_snapshot, from_volume
from tests.fakes.switchboards import KEY, FakeCluster, FakeNode

UNKNOWN = "f" * 32


def places(*names: str) -> list[csi.Topology]:
    return [csi.Topology(segments={KEY: name}) for name in names]


def asked_for(preferred: tuple[str, ...] = (), requisite: tuple[str, ...] = ()) -> csi.TopologyRequirement:
    return csi.TopologyRequirement(preferred=places(*preferred), requisite=places(*requisite))


def made_on(cluster: FakeCluster, node: FakeNode, name: str = "v", **fields: Any) -> csi.Volume:
    return cluster.volume(name, accessibility_requirements=asked_for(requisite=(node.name,)), **fields)


def refusal_of(cluster: FakeCluster, method: str, request: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        cluster.call(method, request)
    return refused.value


@pytest.mark.parametrize(
    ("preferred", "requisite", "expected"),
    [
        (("node-2", "node-1"), ("node-1", "node-2"), "node-2"),
        ((), ("node-2",), "node-2"),
        (("nowhere", "node-1"), ("node-2",), "node-2"),  # what is preferred has to be among what is allowed
        ((), ("nowhere", "node-2"), "node-2"),
    ],
)
def test_a_volume_is_made_in_the_first_place_that_there_is(
    cluster: FakeCluster, preferred: tuple[str, ...], requisite: tuple[str, ...], expected: str
) -> None:
    volume = cluster.volume(accessibility_requirements=asked_for(preferred, requisite))
    assert volume.accessible_topology == places(expected)
    assert cluster.of(volume.volume_id).name == expected


def test_without_a_place_the_name_decides_the_same_node_each_time(cluster: FakeCluster) -> None:
    names = [f"v{number}" for number in range(16)]
    first = {name: cluster.volume(name).volume_id for name in names}
    assert {name: cluster.volume(name).volume_id for name in names} == first
    assert {cluster.of(handle).name for handle in first.values()} == {"node-1", "node-2"}


def test_places_without_a_node_are_told_so_that_another_is_chosen(cluster: FakeCluster) -> None:
    refused = refusal_of(cluster, "CreateVolume", create_request(accessibility_requirements=asked_for((), ("mars",))))
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"{KEY}=mars" in refused.message


def test_a_full_nodes_refusal_is_the_answer_and_no_other_node_is_tried(cluster: FakeCluster) -> None:
    everywhere = asked_for(("node-1", "node-2"), ("node-1", "node-2"))
    refused = refusal_of(cluster, "CreateVolume", create_request(size=1 << 60, accessibility_requirements=everywhere))
    assert refused.code in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OUT_OF_RANGE}
    assert cluster.nodes[1].asked() == []


@pytest.mark.parametrize("index", [0, 1])
def test_a_clone_is_made_where_its_source_is(cluster: FakeCluster, index: int) -> None:
    node = cluster.nodes[index]
    volume = made_on(cluster, node)
    snapshot = cluster.snapshot(volume.volume_id)
    restored = cluster.volume("restored", volume_content_source=from_snapshot(snapshot.snapshot_id))
    copied = cluster.volume("copied", volume_content_source=from_volume(volume.volume_id))
    assert {cluster.of(each.volume_id).name for each in (restored, copied)} == {node.name}


@pytest.mark.parametrize("kind", ["snapshot", "volume"])
def test_a_clone_asked_for_elsewhere_is_refused_with_the_name_of_the_node_that_has_the_data(
    cluster: FakeCluster, kind: str
) -> None:
    volume = made_on(cluster, cluster.nodes[0]).volume_id
    source = from_volume(volume) if kind == "volume" else from_snapshot(cluster.snapshot(volume).snapshot_id)
    elsewhere = asked_for(("node-2",), ("node-2",))
    request = create_request("c", volume_content_source=source, accessibility_requirements=elsewhere)
    refused = refusal_of(cluster, "CreateVolume", request)
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "'node-1'" in refused.message
    assert "CreateVolume" not in cluster.nodes[1].asked()


def test_a_preference_for_another_node_does_not_keep_a_clone_from_its_source(cluster: FakeCluster) -> None:
    snapshot = cluster.snapshot(made_on(cluster, cluster.nodes[0]).volume_id)
    anywhere = asked_for(("node-2", "node-1"), ("node-1", "node-2"))
    source = from_snapshot(snapshot.snapshot_id)
    clone = cluster.volume("c", volume_content_source=source, accessibility_requirements=anywhere)
    assert cluster.of(clone.volume_id).name == "node-1"


OF_A_VOLUME: dict[str, Any] = {
    "ControllerGetVolume": lambda handle: csi.ControllerGetVolumeRequest(volume_id=handle),
    "ControllerModifyVolume": lambda handle: csi.ControllerModifyVolumeRequest(volume_id=handle),
    "ControllerExpandVolume": lambda handle: csi.ControllerExpandVolumeRequest(
        volume_id=handle, capacity_range=csi.CapacityRange(required_bytes=2 * GIB)
    ),
    "ValidateVolumeCapabilities": lambda handle: csi.ValidateVolumeCapabilitiesRequest(
        volume_id=handle, volume_capabilities=create_request().volume_capabilities
    ),
    "CreateSnapshot": lambda handle: csi.CreateSnapshotRequest(name="s", source_volume_id=handle),
    "CreateVolumeGroupSnapshot": lambda handle: csi.CreateVolumeGroupSnapshotRequest(
        name="g", source_volume_ids=[handle]
    ),
    "DeleteVolume": lambda handle: csi.DeleteVolumeRequest(volume_id=handle),
}
OF_A_SNAPSHOT: dict[str, Any] = {
    "GetSnapshot": lambda handle: csi.GetSnapshotRequest(snapshot_id=handle),
    "DeleteSnapshot": lambda handle: csi.DeleteSnapshotRequest(snapshot_id=handle),
}
OF_A_GROUP: dict[str, Any] = {
    "GetVolumeGroupSnapshot": lambda handle: csi.GetVolumeGroupSnapshotRequest(group_snapshot_id=handle),
    "DeleteVolumeGroupSnapshot": lambda handle: csi.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=handle),
}
EVERY: dict[str, tuple[str, Any]] = {
    **{method: ("v", make) for method, make in OF_A_VOLUME.items()},
    **{method: ("s", make) for method, make in OF_A_SNAPSHOT.items()},
    **{method: ("g", make) for method, make in OF_A_GROUP.items()},
}
DELETES = {method for method in EVERY if method.startswith("Delete")}


@pytest.mark.parametrize("method", OF_A_VOLUME)
@pytest.mark.parametrize("index", [0, 1])
def test_a_call_about_a_volume_goes_to_the_node_of_its_pool(cluster: FakeCluster, method: str, index: int) -> None:
    volume = made_on(cluster, cluster.nodes[index])
    cluster.call(method, OF_A_VOLUME[method](volume.volume_id))
    assert cluster.nodes[index].asked() == ["CreateVolume", method]
    assert cluster.nodes[1 - index].asked() == []


@pytest.mark.parametrize("method", OF_A_SNAPSHOT)
def test_a_call_about_a_snapshot_goes_to_the_node_of_its_pool(cluster: FakeCluster, method: str) -> None:
    snapshot = cluster.snapshot(made_on(cluster, cluster.nodes[1]).volume_id)
    cluster.call(method, OF_A_SNAPSHOT[method](snapshot.snapshot_id))
    assert cluster.nodes[1].asked() == ["CreateVolume", "CreateSnapshot", method]
    assert cluster.nodes[0].asked() == []


@pytest.mark.parametrize("method", OF_A_GROUP)
def test_a_call_about_a_group_goes_to_the_node_of_its_pool(cluster: FakeCluster, method: str) -> None:
    volumes = [made_on(cluster, cluster.nodes[1], name).volume_id for name in ("a", "b")]
    group = cluster.group(volumes)
    request = OF_A_GROUP[method](group.group_snapshot_id)
    request.snapshot_ids.extend(each.snapshot_id for each in group.snapshots)
    cluster.call(method, request)
    assert cluster.nodes[1].asked()[-1] == method
    assert cluster.nodes[0].asked() == []


def test_a_group_over_two_nodes_is_refused_with_their_names(cluster: FakeCluster) -> None:
    volumes = [made_on(cluster, node).volume_id for node in cluster.nodes]
    request = csi.CreateVolumeGroupSnapshotRequest(name="g", source_volume_ids=volumes)
    refused = refusal_of(cluster, "CreateVolumeGroupSnapshot", request)
    assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
    assert "node-1" in refused.message
    assert "node-2" in refused.message
    assert all("CreateVolumeGroupSnapshot" not in node.asked() for node in cluster.nodes)


def test_a_group_over_two_nodes_is_refused_alike_while_one_of_them_is_away(cluster: FakeCluster) -> None:
    volumes = [made_on(cluster, node).volume_id for node in cluster.nodes]
    cluster.nodes[0].leave()
    away = refusal_of(cluster, "ControllerGetVolume", csi.ControllerGetVolumeRequest(volume_id=volumes[0]))
    assert away.code is grpc.StatusCode.UNAVAILABLE
    request = csi.CreateVolumeGroupSnapshotRequest(name="g", source_volume_ids=volumes)
    refused = refusal_of(cluster, "CreateVolumeGroupSnapshot", request)
    assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
    assert "node-1" in refused.message


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("handle", ["x", "../../etc", "v-1-2", "é" * 60, "v-" + "A" * 32 + "-" + "0" * 32])
def test_a_malformed_handle_is_an_unknown_one_and_reaches_no_node(
    cluster: FakeCluster, method: str, handle: str
) -> None:
    request = EVERY[method][1](handle)
    if method in DELETES:
        cluster.call(method, request)
    else:
        assert refusal_of(cluster, method, request).code is grpc.StatusCode.NOT_FOUND
    assert all(node.asked() == [] for node in cluster.nodes)


@pytest.mark.parametrize("method", EVERY)
def test_a_handle_of_another_kind_is_an_unknown_one(cluster: FakeCluster, method: str) -> None:
    letter, make = EVERY[method]
    other = "s" if letter == "v" else "v"
    request = make(f"{other}-{cluster.nodes[0].pool.id}-{UNKNOWN}")
    if method in DELETES:
        cluster.call(method, request)
    else:
        assert refusal_of(cluster, method, request).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("method", EVERY)
def test_a_missing_handle_is_a_mistake_even_while_nobody_is_there(cluster: FakeCluster, method: str) -> None:
    cluster.roster.set()
    assert refusal_of(cluster, method, EVERY[method][1]("")).code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", EVERY)
def test_a_pool_that_nobody_announces_is_away_and_never_ok(cluster: FakeCluster, method: str) -> None:
    letter, make = EVERY[method]
    pool = PoolId.fresh()
    refused = refusal_of(cluster, method, make(f"{letter}-{pool}-{UNKNOWN}"))
    assert refused.code is grpc.StatusCode.UNAVAILABLE
    assert f"rokctl node forget {pool}" in refused.message


@pytest.mark.parametrize("method", EVERY)
def test_what_was_on_a_forgotten_node_is_gone(cluster: FakeCluster, method: str) -> None:
    letter, make = EVERY[method]
    pool = PoolId.fresh()
    cluster.roster.gone.add(pool)
    request = make(f"{letter}-{pool}-{UNKNOWN}")
    if method in DELETES:
        cluster.call(method, request)
    else:
        assert refusal_of(cluster, method, request).code is grpc.StatusCode.NOT_FOUND


def test_a_forgotten_node_that_is_there_after_all_is_asked(cluster: FakeCluster) -> None:
    volume = made_on(cluster, cluster.nodes[0]).volume_id
    cluster.roster.gone.add(cluster.nodes[0].pool.id)
    cluster.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume))
    assert list(cluster.nodes[0].pool.volumes()) == []


def test_a_source_that_cannot_be_is_not_found(cluster: FakeCluster) -> None:
    refused = refusal_of(cluster, "CreateVolume", create_request(volume_content_source=from_snapshot("x")))
    assert refused.code is grpc.StatusCode.NOT_FOUND


def test_a_wrong_request_is_refused_before_any_node_is_asked(cluster: FakeCluster) -> None:
    for request in (create_request(name=""), create_request(volume_capabilities=[]), create_request(size=-1)):
        assert refusal_of(cluster, "CreateVolume", request).code is grpc.StatusCode.INVALID_ARGUMENT
    assert all(node.asked() == [] for node in cluster.nodes)


def capacity(cluster: FakeCluster, name: str = "", **fields: Any) -> csi.GetCapacityResponse:
    place = csi.Topology(segments={KEY: name}) if name else None
    told: csi.GetCapacityResponse = cluster.call(
        "GetCapacity", csi.GetCapacityRequest(accessible_topology=place, **fields)
    )
    return told


def test_the_room_at_a_place_is_its_nodes_and_without_a_place_the_sum(cluster: FakeCluster) -> None:
    made_on(cluster, cluster.nodes[0], size=100 * GIB)
    first, second, both = (capacity(cluster, name) for name in ("node-1", "node-2", ""))
    assert 0 < first.available_capacity < second.available_capacity
    assert both.available_capacity == first.available_capacity + second.available_capacity
    assert both.maximum_volume_size.value == second.maximum_volume_size.value


def test_there_is_no_room_at_anothers_place_nor_for_what_is_not_made(cluster: FakeCluster) -> None:
    elsewhere = csi.GetCapacityRequest(accessible_topology=csi.Topology(segments={"example.com/zone": "mars"}))
    assert cluster.call("GetCapacity", elsewhere).available_capacity == 0
    ntfs = create_request(volume_capabilities=[]).volume_capabilities
    wanted = csi.VolumeCapability(mount=csi.VolumeCapability.MountVolume(fs_type="ntfs"))
    wanted.access_mode.mode = csi.VolumeCapability.AccessMode.SINGLE_NODE_WRITER
    ntfs.append(wanted)
    assert capacity(cluster, "node-1", volume_capabilities=ntfs).available_capacity == 0


def test_the_facts_of_one_nodes_room_come_along(cluster: FakeCluster) -> None:
    place = csi.Topology(segments={KEY: "node-1"})
    _, facts = cluster.call_with_metadata("GetCapacity", csi.GetCapacityRequest(accessible_topology=place))
    assert int(facts["rokcsi-pool-total"]) > 0


def test_the_switchboard_says_who_it_is_and_what_it_offers(cluster: FakeCluster) -> None:
    told = cluster.call("GetPluginInfo", csi.GetPluginInfoRequest())
    assert (told.name, dict(told.manifest)) == ("rokcsi.dev", {})
    assert cluster.call("Probe", csi.ProbeRequest()).ready.value
    assert cluster.call("ControllerGetCapabilities", csi.ControllerGetCapabilitiesRequest()).capabilities
    assert cluster.call("GroupControllerGetCapabilities", csi.GroupControllerGetCapabilitiesRequest()).capabilities
    assert cluster.call("GetPluginCapabilities", csi.GetPluginCapabilitiesRequest()).capabilities


def test_there_is_no_attach_step_and_no_node_service(cluster: FakeCluster) -> None:
    for method in ("ControllerPublishVolume", "ControllerUnpublishVolume", "NodeGetInfo"):
        refused = refusal_of(cluster, method, getattr(csi, f"{method}Request")())
        assert refused.code is grpc.StatusCode.UNIMPLEMENTED
