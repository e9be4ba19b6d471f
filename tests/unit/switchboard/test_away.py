"""Nodes that are away, come back elsewhere, change their name, or claim what is another's."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import PoolElsewhere
from tests.fakes.csi_caller import Refused, create_request, from_snapshot
from tests.fakes.switchboards import KEY, FakeCluster, FakeNode
from tests.fakes.wire import wire

PATIENCE_SECONDS = 15.0


def at(node: str) -> csi.TopologyRequirement:
    return csi.TopologyRequirement(requisite=[csi.Topology(segments={KEY: node})])


def made_on(cluster: FakeCluster, node: FakeNode, name: str = "v") -> str:
    return cluster.volume(name, accessibility_requirements=at(node.name)).volume_id


def get(cluster: FakeCluster, volume: str) -> csi.Volume:
    found: csi.Volume = cluster.call("ControllerGetVolume", csi.ControllerGetVolumeRequest(volume_id=volume)).volume
    return found


def refusal(cluster: FakeCluster, method: str, request: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        cluster.call(method, request)
    return refused.value


def eventually(true: Callable[[], bool]) -> None:
    """Wait for something that has to become true."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def answers(cluster: FakeCluster, volume: str) -> bool:
    try:
        get(cluster, volume)
    except Refused as refused:
        assert refused.code is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - anything else would be a lie
        return False
    return True


@pytest.fixture
def volumes(cluster: FakeCluster) -> tuple[str, str]:
    """One volume on each of the two nodes; then the first node goes."""
    first, second = (made_on(cluster, node) for node in cluster.nodes)
    cluster.nodes[0].leave()
    return first, second


@pytest.mark.parametrize("times", [1, 3])
def test_a_node_that_is_away_makes_its_own_volumes_unavailable_and_no_others(
    cluster: FakeCluster, volumes: tuple[str, str], times: int
) -> None:
    away, here = volumes
    for _ in range(times):
        for method in ("DeleteVolume", "ControllerGetVolume"):
            refused = refusal(cluster, method, getattr(csi, f"{method}Request")(volume_id=away))
            assert refused.code is grpc.StatusCode.UNAVAILABLE
            assert "node-1" in refused.message
    assert get(cluster, here).volume_id == here
    cluster.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=here))


def test_a_volume_asked_for_on_a_node_that_is_away_is_not_made_elsewhere(
    cluster: FakeCluster, volumes: tuple[str, str]
) -> None:
    assert not answers(cluster, volumes[0])
    both = csi.TopologyRequirement(
        preferred=[csi.Topology(segments={KEY: f"node-{number}"}) for number in (1, 2)],
        requisite=[csi.Topology(segments={KEY: f"node-{number}"}) for number in (1, 2)],
    )
    before = len(cluster.nodes[1].pool.volumes())
    refused = refusal(cluster, "CreateVolume", create_request("new", accessibility_requirements=both))
    assert refused.code is grpc.StatusCode.UNAVAILABLE
    assert len(cluster.nodes[1].pool.volumes()) == before


def test_a_volume_asked_for_again_while_its_node_is_out_of_the_roster_is_not_sent_elsewhere(
    cluster: FakeCluster,
) -> None:
    """A driver that begins anew takes no calls for a moment; the volume may be made already, though nobody was told."""
    node, request = cluster.nodes[0], create_request("v", accessibility_requirements=at("node-1"))
    made = cluster.call("CreateVolume", request).volume.volume_id
    address = node.address
    node.leave()
    cluster.roster.set(cluster.nodes[1].address)
    assert refusal(cluster, "CreateVolume", request).code is grpc.StatusCode.UNAVAILABLE
    node.come(address)
    cluster.roster.set(address, cluster.nodes[1].address)
    assert cluster.call("CreateVolume", request).volume.volume_id == made


def test_a_place_whose_pool_has_got_another_name_is_no_place_any_more(cluster: FakeCluster) -> None:
    node = cluster.nodes[0]
    made_on(cluster, node)
    node.leave()
    cluster.roster.set(cluster.nodes[1].address, node.come(name="renamed"))
    request = create_request("new", accessibility_requirements=at("node-1"))
    assert refusal(cluster, "CreateVolume", request).code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_place_whose_node_is_gone_for_good_is_no_place_any_more(cluster: FakeCluster) -> None:
    node = cluster.nodes[0]
    made_on(cluster, node)
    node.leave()
    cluster.roster.set(cluster.nodes[1].address)
    cluster.roster.gone.add(node.pool.id)
    request = create_request("new", accessibility_requirements=at("node-1"))
    assert refusal(cluster, "CreateVolume", request).code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_node_that_left_the_roster_is_none_for_volumes_that_ask_for_no_place(cluster: FakeCluster) -> None:
    for number in range(4):
        cluster.volume(f"before-{number}")
    cluster.nodes[0].leave()
    cluster.roster.set(cluster.nodes[1].address)
    for number in range(8):
        assert cluster.of(cluster.volume(f"v-{number}").volume_id) is cluster.nodes[1]


def test_a_clone_waits_for_the_node_of_its_source(cluster: FakeCluster) -> None:
    snapshot = cluster.snapshot(made_on(cluster, cluster.nodes[0])).snapshot_id
    cluster.nodes[0].leave()
    request = create_request(
        "c", volume_content_source=from_snapshot(snapshot), accessibility_requirements=at("node-1")
    )
    assert refusal(cluster, "CreateVolume", request).code is grpc.StatusCode.UNAVAILABLE


def test_snapshots_of_a_node_that_is_away_are_not_said_to_be_none(cluster: FakeCluster) -> None:
    volume = made_on(cluster, cluster.nodes[0])
    snapshot = cluster.snapshot(volume).snapshot_id
    cluster.nodes[0].leave()
    for request in (
        csi.ListSnapshotsRequest(snapshot_id=snapshot),
        csi.ListSnapshotsRequest(source_volume_id=volume),
    ):
        assert refusal(cluster, "ListSnapshots", request).code is grpc.StatusCode.UNAVAILABLE


def test_the_room_of_a_node_that_is_away_is_not_said_to_be_none(cluster: FakeCluster, volumes: tuple[str, str]) -> None:
    place = csi.Topology(segments={KEY: "node-1"})
    refused = refusal(cluster, "GetCapacity", csi.GetCapacityRequest(accessible_topology=place))
    assert refused.code is grpc.StatusCode.UNAVAILABLE
    assert cluster.call("GetCapacity", csi.GetCapacityRequest()).available_capacity > 0


@pytest.mark.parametrize("somebody_is_there", [True, False])
def test_the_room_at_a_node_that_the_roster_does_not_have_yet_is_not_said_to_be_none(
    cluster: FakeCluster, *, somebody_is_there: bool
) -> None:
    cluster.roster.set(*([cluster.nodes[1].address] if somebody_is_there else []))
    place = csi.Topology(segments={KEY: "node-1"})
    refused = refusal(cluster, "GetCapacity", csi.GetCapacityRequest(accessible_topology=place))
    assert refused.code is grpc.StatusCode.UNAVAILABLE
    cluster.roster.set(*(node.address for node in cluster.nodes))
    assert cluster.call("GetCapacity", csi.GetCapacityRequest(accessible_topology=place)).available_capacity > 0


def test_a_node_that_comes_back_at_its_address_is_found(cluster: FakeCluster) -> None:
    node = cluster.nodes[0]
    volume, address = made_on(cluster, node), node.address
    node.leave()
    assert not answers(cluster, volume)
    node.come(address)
    eventually(lambda: answers(cluster, volume))


def test_a_node_that_comes_back_at_another_address_is_found(cluster: FakeCluster, volumes: tuple[str, str]) -> None:
    assert not answers(cluster, volumes[0])
    cluster.roster.set(cluster.nodes[0].come(), cluster.nodes[1].address)
    eventually(lambda: answers(cluster, volumes[0]))
    assert get(cluster, volumes[1]).volume_id == volumes[1]


def test_a_node_that_moved_unseen_is_found_while_its_old_address_is_still_listed(cluster: FakeCluster) -> None:
    volume, old = made_on(cluster, cluster.nodes[0]), cluster.nodes[0].address
    cluster.nodes[0].leave()
    cluster.roster.set(old, cluster.nodes[0].come(), cluster.nodes[1].address)
    eventually(lambda: answers(cluster, volume))


def test_a_renamed_node_keeps_its_volumes(cluster: FakeCluster) -> None:
    volume, address = made_on(cluster, cluster.nodes[0]), cluster.nodes[0].address
    cluster.nodes[0].leave()
    cluster.nodes[0].come(address, name="renamed")
    eventually(lambda: answers(cluster, volume))
    assert get(cluster, volume).accessible_topology[0].segments[KEY] == "renamed"


def test_a_renamed_node_is_found_by_its_new_place(cluster: FakeCluster) -> None:
    address = cluster.nodes[0].address
    made_on(cluster, cluster.nodes[0])
    cluster.nodes[0].leave()
    cluster.nodes[0].come(address, name="renamed")
    made: list[csi.Volume] = []

    def makes() -> bool:
        try:
            made.append(cluster.volume("new", accessibility_requirements=at("renamed")))
        except Refused as refused:
            assert refused.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}  # noqa: PT017 - still looking
            return False
        return True

    eventually(makes)
    assert cluster.of(made[0].volume_id).name == "renamed"


def test_a_delete_never_reaches_another_pool_that_took_over_the_address(cluster: FakeCluster) -> None:
    first, second = cluster.nodes
    volume, address = made_on(cluster, first), first.address
    first.leave()
    second.leave()
    second.come(address)
    for _ in range(3):
        refused = refusal(cluster, "DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume))
        assert refused.code is grpc.StatusCode.UNAVAILABLE
    assert "DeleteVolume" not in [method for method, code, *_ in second.calls.lines if code == "OK"]
    assert len(first.pool.volumes()) == 1


def test_two_nodes_that_claim_one_pool_are_both_left_alone(cluster: FakeCluster) -> None:
    original, copy = cluster.nodes
    volume = made_on(cluster, original)
    copy.leave()
    copy.pool = original.pool
    cluster.roster.set(original.address, copy.come())

    def disputed() -> bool:
        refused = refusal(cluster, "DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume))
        assert refused.code is grpc.StatusCode.UNAVAILABLE
        return "node-1 and node-2 both announce" in refused.message

    eventually(lambda: len(cluster.directory.known()) == 2)
    eventually(disputed)
    assert len(original.pool.volumes()) == 1
    copy.leave()
    cluster.roster.set(original.address)
    eventually(lambda: answers(cluster, volume))


def test_an_address_where_another_driver_answers_is_away(cluster: FakeCluster) -> None:
    cluster.roster.set(*[node.address for node in cluster.nodes], "127.0.0.1:1")
    volume = made_on(cluster, cluster.nodes[0])
    eventually(lambda: [str(line.where) for line in cluster.directory.away()] == ["127.0.0.1:1"])
    assert get(cluster, volume).volume_id == volume


def test_a_node_is_asked_who_it_is_once_and_not_at_every_call(cluster: FakeCluster) -> None:
    volume = made_on(cluster, cluster.nodes[0])
    for _ in range(20):
        get(cluster, volume)
    asked = [method for method, *_ in cluster.nodes[0].calls.lines if method == "GetPluginInfo"]
    assert len(asked) == 1


def test_calls_under_way_end_although_their_address_has_left_the_roster(cluster: FakeCluster) -> None:
    volume = made_on(cluster, cluster.nodes[0])
    entered, may_go_on = threading.Event(), threading.Event()

    def stay(context: grpc.ServicerContext) -> None:
        entered.set()
        may_go_on.wait(20)

    cluster.nodes[0].before = stay
    found: list[csi.Volume] = []
    caller = threading.Thread(target=lambda: found.append(get(cluster, volume)))
    caller.start()
    assert entered.wait(20)
    cluster.roster.set(cluster.nodes[1].address)
    may_go_on.set()
    caller.join(timeout=20)
    assert [each.volume_id for each in found] == [volume]
    assert not answers(cluster, volume)


def test_a_line_that_was_retired_is_away_for_whoever_had_chosen_it_before(cluster: FakeCluster) -> None:
    [route, _] = cluster.directory.answering()
    route.line.retire()
    with pytest.raises(PoolElsewhere, match="has just left"):
        route.line.begin("GetPluginInfo", csi.GetPluginInfoRequest(), (), 1.0)
    route.line.ask()
    assert not route.line.is_being_asked


def test_a_list_under_way_ends_although_an_address_has_left_the_roster(cluster: FakeCluster) -> None:
    volumes = {made_on(cluster, node) for node in cluster.nodes}
    entered, may_go_on = threading.Event(), threading.Event()

    def stay(context: grpc.ServicerContext) -> None:
        entered.set()
        may_go_on.wait(4)

    cluster.nodes[0].before = stay
    found: list[set[str]] = []

    def list_all() -> None:
        answer = cluster.call("ListVolumes", csi.ListVolumesRequest())
        found.append({entry.volume.volume_id for entry in answer.entries})

    caller = threading.Thread(target=list_all)
    caller.start()
    assert entered.wait(20)
    cluster.roster.set(cluster.nodes[1].address)
    may_go_on.set()
    caller.join(timeout=20)
    assert found == [volumes]


def test_who_looks_through_the_lines_is_not_disturbed_by_one_that_goes(cluster: FakeCluster) -> None:
    made_on(cluster, cluster.nodes[0])
    looking = iter(cluster.directory._present())
    first = next(looking)
    cluster.roster.set(cluster.nodes[1].address)
    assert len([first, *looking]) == 2


def test_calls_for_a_node_that_says_nothing_leave_workers_for_the_others(cluster: FakeCluster) -> None:
    away, here = (made_on(cluster, node) for node in cluster.nodes)
    codes: list[grpc.StatusCode] = []
    over = threading.Event()

    def insist() -> None:
        while not over.is_set():
            codes.append(refusal(cluster, "ControllerGetVolume", csi.ControllerGetVolumeRequest(volume_id=away)).code)
            over.wait(0.05)

    with socket.create_server(("127.0.0.1", 0)) as silent:  # shakes no hands
        cluster.roster.set(f"127.0.0.1:{silent.getsockname()[1]}", cluster.nodes[1].address)
        callers = [threading.Thread(target=insist) for _ in range(40)]  # more than the switchboard has workers
        for caller in callers:
            caller.start()
        waits: list[float] = []
        while len(waits) < 12:
            began = time.monotonic()
            assert get(cluster, here).volume_id == here
            waits.append(time.monotonic() - began)
            time.sleep(0.4)
        over.set()
        for caller in callers:
            caller.join(timeout=30)
    assert max(waits) < 1.0
    assert set(codes) == {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED}


@pytest.mark.slow
def test_a_node_that_vanishes_without_a_word_is_noticed_while_a_call_waits_for_it(cluster: FakeCluster) -> None:
    volume = made_on(cluster, cluster.nodes[0])
    may_go_on = threading.Event()
    with wire(cluster.nodes[0].address) as laid:
        cluster.roster.set(laid.address, cluster.nodes[1].address)
        eventually(lambda: answers(cluster, volume))

        def vanish(context: grpc.ServicerContext) -> None:
            laid.cut()
            may_go_on.wait(40)

        cluster.nodes[0].before = vanish
        began = time.monotonic()
        with pytest.raises(Refused) as refused:
            cluster.call("ControllerGetVolume", csi.ControllerGetVolumeRequest(volume_id=volume), timeout=90)
        assert refused.value.code is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - began < 25
        may_go_on.set()


def test_more_calls_at_once_than_a_line_has_places_wait_their_turn_on_a_node_that_works(cluster: FakeCluster) -> None:
    volume = made_on(cluster, cluster.nodes[0])
    time.sleep(1.1)  # the line has been idle
    cluster.nodes[0].before = lambda context: time.sleep(0.4)
    found: list[str] = []
    callers = [threading.Thread(target=lambda: found.append(get(cluster, volume).volume_id)) for _ in range(14)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=30)
    assert found == [volume] * 14


def test_a_node_that_hangs_keeps_nobody_else_waiting(cluster: FakeCluster) -> None:
    slow, quick = (made_on(cluster, node) for node in cluster.nodes)
    may_go_on = threading.Event()

    def hang(context: grpc.ServicerContext) -> None:
        may_go_on.wait(30)

    cluster.nodes[0].before = hang
    request = csi.ControllerGetVolumeRequest(volume_id=slow)
    codes: list[grpc.StatusCode] = []

    def wait() -> None:
        try:
            cluster.call("ControllerGetVolume", request, timeout=25)
        except Refused as refused:
            codes.append(refused.code)

    callers = [threading.Thread(target=wait) for _ in range(20)]  # more than the switchboard has workers
    for caller in callers:
        caller.start()
    try:
        began = time.monotonic()
        assert get(cluster, quick).volume_id == quick
        assert time.monotonic() - began < 10
        eventually(lambda: codes.count(grpc.StatusCode.ABORTED) == 12)  # who found no place on the line in a second
        time.sleep(1.0)
        began = time.monotonic()
        wait()
        assert time.monotonic() - began < 0.5  # the line has not moved for a second: nobody waits for it any more
    finally:
        may_go_on.set()
        for caller in callers:
            caller.join(timeout=30)
    assert codes.count(grpc.StatusCode.ABORTED) == len(codes)
