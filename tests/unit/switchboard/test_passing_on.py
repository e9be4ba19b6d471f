"""What goes along with a call, and what comes back with its answer."""

from __future__ import annotations

import threading
import time
from typing import Any

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import InvalidRequest
from rokcsi.observe.logs import current_request
from tests.fakes.csi_caller import GIB, Refused, create_request, stub_with
from tests.fakes.switchboards import KEY, FakeCluster


@pytest.fixture
def volume(cluster: FakeCluster) -> str:
    """A volume on the first node."""
    place = csi.TopologyRequirement(requisite=[csi.Topology(segments={KEY: "node-1"})])
    return cluster.volume(accessibility_requirements=place).volume_id


def get(volume: str) -> csi.ControllerGetVolumeRequest:
    return csi.ControllerGetVolumeRequest(volume_id=volume)


def seen_by_the_node(cluster: FakeCluster, look: Any) -> list[Any]:
    """Have `look` called with the context of every call at the first node; give what it gave."""
    seen: list[Any] = []

    def before(context: grpc.ServicerContext) -> None:
        seen.append(look(context))

    cluster.nodes[0].before = before
    return seen


def test_the_callers_deadline_is_the_nodes(cluster: FakeCluster, volume: str) -> None:
    seen = seen_by_the_node(cluster, lambda context: context.time_remaining())
    cluster.call("ControllerGetVolume", get(volume), timeout=17.0)
    cluster.call("ControllerGetVolume", get(volume), timeout=None)
    assert 10 < seen[0] < 18
    assert seen[1] is None or seen[1] > 10**7


def test_a_caller_who_gives_up_is_gone_for_the_node_too(cluster: FakeCluster, volume: str) -> None:
    entered, left = threading.Event(), threading.Event()

    def stay(context: grpc.ServicerContext) -> None:
        entered.set()
        until = time.monotonic() + 20
        while context.is_active() and time.monotonic() < until:
            time.sleep(0.01)
        if not context.is_active():
            left.set()

    cluster.nodes[0].before = stay
    call = stub_with(cluster.channel, "ControllerGetVolume").ControllerGetVolume.future(get(volume), timeout=60)
    assert entered.wait(20)
    call.cancel()
    assert left.wait(20)


def test_a_deadline_that_passes_at_the_node_is_told_as_such(cluster: FakeCluster, volume: str) -> None:
    may_go_on = threading.Event()

    def stay(context: grpc.ServicerContext) -> None:
        may_go_on.wait(20)

    cluster.nodes[0].before = stay
    with pytest.raises(Refused) as refused:
        cluster.call("ControllerGetVolume", get(volume), timeout=0.5)
    may_go_on.set()
    assert refused.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_call_has_one_id_in_both_logs(cluster: FakeCluster, volume: str) -> None:
    seen = seen_by_the_node(cluster, lambda context: current_request())
    cluster.call("ControllerGetVolume", get(volume))
    assert seen[0].startswith("test-r")


def test_an_id_that_the_caller_gave_is_kept_and_a_strange_one_is_not(cluster: FakeCluster, volume: str) -> None:
    seen = seen_by_the_node(cluster, lambda context: current_request())
    stub = stub_with(cluster.channel, "ControllerGetVolume")
    for given in ("sidecar.42", "no spaces; no=signs"):
        stub.ControllerGetVolume(get(volume), timeout=20, metadata=(("rokcsi-request", given),))
    assert seen[0] == "sidecar.42"
    assert seen[1].startswith("test-r")


def test_the_callers_metadata_reaches_the_node_but_the_pool_is_not_the_callers_to_say(
    cluster: FakeCluster, volume: str
) -> None:
    seen = seen_by_the_node(cluster, lambda context: dict(context.invocation_metadata()))
    given = (("x-trace", "abc"), ("x-bytes-bin", b"\x00\xff"), ("rokcsi-pool", "another"))
    stub_with(cluster.channel, "ControllerGetVolume").ControllerGetVolume(get(volume), timeout=20, metadata=given)
    assert seen[0]["x-trace"] == "abc"
    assert seen[0]["x-bytes-bin"] == b"\x00\xff"
    assert seen[0]["rokcsi-pool"] == cluster.nodes[0].pool.id


def test_trailing_metadata_comes_back(cluster: FakeCluster, volume: str) -> None:
    request = csi.CreateSnapshotRequest(name="s", source_volume_id=volume)
    _, trailing = cluster.call_with_metadata("CreateSnapshot", request)
    assert set(trailing) >= {"rokcsi-freeze-window-seconds", "rokcsi-consistency"}


def test_trailing_metadata_of_a_refusal_comes_back(cluster: FakeCluster, volume: str) -> None:
    def refuse(context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("x-why", "because"),))
        raise InvalidRequest("no")

    cluster.nodes[0].before = refuse
    with pytest.raises(grpc.RpcError) as refused:
        stub_with(cluster.channel, "ControllerGetVolume").ControllerGetVolume(get(volume), timeout=20)
    told: Any = refused.value
    assert ("x-why", "because") in [(key, value) for key, value in told.trailing_metadata()]


@pytest.mark.parametrize(
    ("method", "request_of", "code"),
    [
        (
            "CreateVolume",
            lambda volume: create_request("v", size=3 * GIB, accessibility_requirements=None),
            grpc.StatusCode.ALREADY_EXISTS,
        ),
        (
            "ControllerGetVolume",
            lambda volume: get(f"{volume[:-1]}{'0' if volume[-1] != '0' else '1'}"),
            grpc.StatusCode.NOT_FOUND,
        ),
        (
            "ControllerExpandVolume",
            lambda volume: csi.ControllerExpandVolumeRequest(
                volume_id=volume, capacity_range=csi.CapacityRange(limit_bytes=1)
            ),
            grpc.StatusCode.OUT_OF_RANGE,
        ),
    ],
)
def test_a_nodes_refusal_is_the_callers_with_its_status_and_words(
    cluster: FakeCluster, volume: str, method: str, request_of: Any, code: grpc.StatusCode
) -> None:
    request = request_of(volume)
    if method == "CreateVolume":
        request.accessibility_requirements.requisite.add(segments={KEY: "node-1"})
    with pytest.raises(Refused) as refused:
        cluster.call(method, request)
    assert refused.value.code is code
    *_, (_, told, _, fields) = cluster.nodes[0].calls.lines
    assert (told, fields["error"]) == (code.name, refused.value.message)


def test_the_answer_is_the_nodes_to_the_letter(cluster: FakeCluster, volume: str) -> None:
    with grpc.secure_channel(
        cluster.nodes[0].address,
        cluster.authority.issue("rokcsi-controller").read().for_callers(),
        options=(("grpc.ssl_target_name_override", "rokcsi-node"),),
    ) as direct:
        of_the_node = stub_with(direct, "ControllerGetVolume").ControllerGetVolume(get(volume), timeout=20)
    assert cluster.call("ControllerGetVolume", get(volume)) == of_the_node


def test_a_repeated_create_is_answered_alike(cluster: FakeCluster, volume: str) -> None:
    place = csi.TopologyRequirement(requisite=[csi.Topology(segments={KEY: "node-1"})])
    request = create_request(accessibility_requirements=place)
    first, second = (cluster.call("CreateVolume", request) for _ in range(2))
    assert first == second
    assert first.volume.volume_id == volume


def test_calls_passed_on_are_counted_by_node_and_status(cluster: FakeCluster, volume: str) -> None:
    cluster.call("ControllerGetVolume", get(volume))
    with pytest.raises(Refused):
        cluster.call(
            "ControllerExpandVolume",
            csi.ControllerExpandVolumeRequest(volume_id=volume, capacity_range=csi.CapacityRange(limit_bytes=1)),
        )
    cluster.nodes[0].leave()
    with pytest.raises(Refused):
        cluster.call("ControllerGetVolume", get(volume))
    assert cluster.routes.lines == [
        ("node-1", "OK"),
        ("node-1", "OK"),
        ("node-1", "OUT_OF_RANGE"),
        ("node-1", "UNAVAILABLE"),
    ]


def test_the_switchboard_logs_a_refusal_once_with_the_nodes_words(cluster: FakeCluster, volume: str) -> None:
    with pytest.raises(Refused) as refused:
        cluster.call(
            "CreateVolume",
            create_request(
                "v",
                size=3 * GIB,
                accessibility_requirements=csi.TopologyRequirement(requisite=[csi.Topology(segments={KEY: "node-1"})]),
            ),
        )
    *_, (method, code, _, fields) = cluster.calls.lines
    assert (method, code, fields["error"]) == ("CreateVolume", "ALREADY_EXISTS", refused.value.message)


def test_a_list_waits_for_each_node_five_seconds_or_half_the_callers_time_at_most(
    cluster: FakeCluster, volume: str
) -> None:
    seen = seen_by_the_node(cluster, lambda context: context.time_remaining())
    cluster.call("ListVolumes", csi.ListVolumesRequest(), timeout=20)
    cluster.call("ListVolumes", csi.ListVolumesRequest(), timeout=2)
    assert 2.5 < seen[0] < 6
    assert seen[1] < 1.5
