"""Lists over all nodes, whole and in pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import BadPageToken
from rokcsi.model.ids import PoolId
from rokcsi.switchboard.page_tokens import Place, read_place
from tests.fakes.csi_caller import Refused
from tests.fakes.switchboards import KEY, FakeCluster


def at(node: str) -> csi.TopologyRequirement:
    return csi.TopologyRequirement(requisite=[csi.Topology(segments={KEY: node})])


@pytest.fixture
def handles(cluster: FakeCluster) -> list[str]:
    """Five volumes on one node and four on the other, in the order in which they are listed."""
    made = [
        cluster.volume(f"v{number}", accessibility_requirements=at(f"node-{1 + number % 2}")).volume_id
        for number in range(9)
    ]
    return sorted(made)


def page(cluster: FakeCluster, size: int, token: str = "") -> tuple[list[str], str]:
    request = csi.ListVolumesRequest(max_entries=size, starting_token=token)
    answer: csi.ListVolumesResponse = cluster.call("ListVolumes", request)
    return [entry.volume.volume_id for entry in answer.entries], answer.next_token


def pages(cluster: FakeCluster, size: int) -> Iterator[list[str]]:
    token = ""
    while True:
        found, token = page(cluster, size, token)
        yield found
        if not token:
            return


def refusal(cluster: FakeCluster, method: str, request: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        cluster.call(method, request)
    return refused.value


def test_a_list_has_what_is_on_every_node(cluster: FakeCluster, handles: list[str]) -> None:
    assert page(cluster, 0) == (handles, "")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9, 10, 100])
def test_pages_put_together_are_the_whole_list_and_all_but_the_last_are_full(
    cluster: FakeCluster, handles: list[str], size: int
) -> None:
    found = list(pages(cluster, size))
    assert [handle for part in found for handle in part] == handles
    assert [len(part) for part in found[:-1]] == [size] * (len(found) - 1)
    assert found[-1]


def test_a_list_without_a_limit_goes_on_from_a_token(cluster: FakeCluster, handles: list[str]) -> None:
    first, token = page(cluster, 3)
    rest, end = page(cluster, 0, token)
    assert (first + rest, end) == (handles, "")


def test_what_comes_and_goes_between_pages_makes_nothing_appear_twice_or_be_missed(
    cluster: FakeCluster, handles: list[str]
) -> None:
    first, token = page(cluster, 3)
    cluster.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=first[-1]))
    cluster.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=handles[5]))
    rest, _ = page(cluster, 0, token)
    assert rest == [handle for handle in handles[3:] if handle != handles[5]]


@pytest.mark.parametrize("token", ["x", "0" * 48, "é" * 60, "v" * 200])
@pytest.mark.parametrize("size", [0, 2])
def test_a_bad_token_aborts_the_list(cluster: FakeCluster, handles: list[str], token: str, size: int) -> None:
    request = csi.ListVolumesRequest(max_entries=size, starting_token=token)
    assert refusal(cluster, "ListVolumes", request).code is grpc.StatusCode.ABORTED
    _, good = page(cluster, 2)
    request = csi.ListVolumesRequest(
        max_entries=size, starting_token=good[:-1] + "0" * (good[-1] != "0") + "1" * (good[-1] == "0")
    )
    assert refusal(cluster, "ListVolumes", request).code is grpc.StatusCode.ABORTED


def test_a_token_that_somebody_computed_aborts_the_list(cluster: FakeCluster) -> None:
    forged = Place(cast("PoolId", "z" * 32)).written("volumes")
    request = csi.ListVolumesRequest(starting_token=forged)
    assert refusal(cluster, "ListVolumes", request).code is grpc.StatusCode.ABORTED


def test_a_token_of_another_list_aborts_it(cluster: FakeCluster, handles: list[str]) -> None:
    _, token = page(cluster, 2)
    request = csi.ListSnapshotsRequest(max_entries=2, starting_token=token)
    assert refusal(cluster, "ListSnapshots", request).code is grpc.StatusCode.ABORTED


def test_a_negative_limit_is_a_mistake(cluster: FakeCluster) -> None:
    refused = refusal(cluster, "ListVolumes", csi.ListVolumesRequest(max_entries=-1))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("size", [0, 3])
def test_while_a_node_is_away_a_list_still_has_the_rest_and_says_who_is_missing(
    cluster: FakeCluster, handles: list[str], size: int
) -> None:
    cluster.nodes[0].leave()
    rest = [handle for handle in handles if cluster.nodes[1].pool.id in handle]
    for _ in range(2):
        request = csi.ListVolumesRequest()
        answer, trailing = cluster.call_with_metadata("ListVolumes", request)
        assert [entry.volume.volume_id for entry in answer.entries] == rest
        assert trailing["rokcsi-away"] == "node-1"
    assert [handle for part in pages(cluster, size) for handle in part] == rest


def test_a_list_goes_on_although_the_node_it_had_come_to_is_away_now(cluster: FakeCluster, handles: list[str]) -> None:
    first, token = page(cluster, 2)
    lower = cluster.of(first[0])
    lower.leave()
    rest = [handle for handle in handles if lower.pool.id not in handle]
    assert page(cluster, 0, token) == (rest, "")
    assert page(cluster, 100, token) == (rest, "")


@pytest.mark.parametrize("size", [0, 100])
def test_a_node_that_hangs_leaves_time_for_the_others_answers(
    cluster: FakeCluster, handles: list[str], size: int
) -> None:
    may_go_on = threading.Event()

    def hang(context: grpc.ServicerContext) -> None:
        may_go_on.wait(20)

    cluster.nodes[0].before = hang
    rest = [handle for handle in handles if cluster.nodes[1].pool.id in handle]
    try:
        request = csi.ListVolumesRequest(max_entries=size)
        answer, trailing = cluster.call_with_metadata("ListVolumes", request, timeout=3)
    finally:
        may_go_on.set()
    assert [entry.volume.volume_id for entry in answer.entries] == rest
    assert trailing["rokcsi-away"] == "node-1"


def test_a_node_that_has_just_left_its_address_does_not_keep_the_others_from_being_listed(
    cluster: FakeCluster, handles: list[str]
) -> None:
    for route in cluster.directory.answering():
        if route.pool == cluster.nodes[0].pool.id:
            route.line.retire()
    rest = [handle for handle in handles if cluster.nodes[1].pool.id in handle]
    assert page(cluster, 0) == (rest, "")


def test_a_list_is_not_said_to_be_empty_when_nobody_answers(cluster: FakeCluster, handles: list[str]) -> None:
    for node in cluster.nodes:
        node.leave()
    for method in ("ListVolumes", "ListSnapshots"):
        for _ in range(2):
            assert refusal(cluster, method, getattr(csi, f"{method}Request")()).code is grpc.StatusCode.UNAVAILABLE


def test_a_list_is_not_said_to_be_empty_when_no_node_is_known(cluster: FakeCluster) -> None:
    cluster.roster.set()
    assert refusal(cluster, "ListVolumes", csi.ListVolumesRequest()).code is grpc.StatusCode.UNAVAILABLE


def test_snapshots_are_listed_over_all_nodes_and_of_one_from_its_node(cluster: FakeCluster, handles: list[str]) -> None:
    cut = sorted(cluster.snapshot(handle, f"s{number}").snapshot_id for number, handle in enumerate(handles))
    assert listed_snapshots(cluster) == cut
    assert len(listed_snapshots(cluster, source_volume_id=handles[0])) == 1
    assert listed_snapshots(cluster, snapshot_id=cut[-1]) == cut[-1:]
    token, found = "", []
    while True:
        request = csi.ListSnapshotsRequest(max_entries=4, starting_token=token)
        answer = cluster.call("ListSnapshots", request)
        found += [entry.snapshot.snapshot_id for entry in answer.entries]
        token = answer.next_token
        if not token:
            break
    assert found == cut


def listed_snapshots(cluster: FakeCluster, **fields: Any) -> list[str]:
    answer = cluster.call("ListSnapshots", csi.ListSnapshotsRequest(**fields))
    return [entry.snapshot.snapshot_id for entry in answer.entries]


def test_snapshots_of_a_handle_that_cannot_be_are_none(cluster: FakeCluster) -> None:
    assert listed_snapshots(cluster, snapshot_id="x") == []
    assert listed_snapshots(cluster, source_volume_id="../x") == []


def test_snapshots_of_a_forgotten_node_are_none(cluster: FakeCluster) -> None:
    pool = PoolId.fresh()
    cluster.roster.gone.add(pool)
    assert listed_snapshots(cluster, snapshot_id=f"s-{pool}-{'0' * 32}") == []


def test_a_token_reads_back_as_the_place_it_was_written_for() -> None:
    for place in (Place(PoolId.fresh()), Place(PoolId.fresh(), "anything at all")):
        assert read_place(place.written("volumes"), "volumes") == place
        with pytest.raises(BadPageToken):
            read_place(place.written("volumes"), "snapshots")
