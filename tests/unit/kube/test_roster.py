"""Nodes found through EndpointSlices, with the real client against as much of an API server as it asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from rokcsi.kube.roster import KubernetesRoster
from rokcsi.model.errors import RosterAway, StillInUse
from rokcsi.model.ids import PoolId
from rokcsi.model.roster import ForgetsNodes, NodeAddress
from tests.fakes.api_server import NAMESPACE, SERVICE, ApiState, volume
from tests.fakes.patience import eventually

A, B = NodeAddress("10.0.0.1:9811", "a"), NodeAddress("10.0.0.2:9811", "b")
ENDPOINT_A, ENDPOINT_B = {"address": "10.0.0.1", "node": "a"}, {"address": "10.0.0.2", "node": "b"}


@pytest.fixture
def roster(served: tuple[ApiState, Any]) -> Iterator[KubernetesRoster]:
    made = KubernetesRoster(NAMESPACE, SERVICE, "rokcsi.dev", served[1])
    yield made
    made.close()


def known(roster: KubernetesRoster) -> set[NodeAddress]:
    try:
        return set(roster.addresses())
    except RosterAway:
        return set()


def followed(roster: KubernetesRoster, api: ApiState, *nodes: NodeAddress) -> list[float]:
    """Begin to follow, wait until these nodes are known and a watch is under way; give when changes were told."""
    told: list[float] = []
    roster.watch(lambda: told.append(time.monotonic()))
    eventually(lambda: known(roster) == set(nodes) and bool(api.watchers))
    return told


def test_before_the_first_list_nothing_is_known_and_nobody_is_said_to_be_gone(roster: KubernetesRoster) -> None:
    with pytest.raises(RosterAway, match="not known where the nodes are"):
        roster.addresses()


def test_nodes_come_and_go_as_the_slices_do(roster: KubernetesRoster, api: ApiState) -> None:
    api.put("one", ENDPOINT_A)
    told = followed(roster, api, A)
    api.put("two", ENDPOINT_B)
    eventually(lambda: known(roster) == {A, B})
    api.put("one")
    eventually(lambda: known(roster) == {B})
    api.remove("two")
    eventually(lambda: known(roster) == set())
    assert len(told) == 4
    assert api.asked == {"list": 1, "watch": 1}


def test_the_same_nodes_are_the_same_collection(roster: KubernetesRoster, api: ApiState) -> None:
    api.put("one", ENDPOINT_A)
    told = followed(roster, api, A)
    before = roster.addresses()
    api.put("one", {**ENDPOINT_A, "conditions": {"ready": True, "serving": True}})
    api.put("two", ENDPOINT_B)
    eventually(lambda: len(told) == 2)
    api.remove("two")
    eventually(lambda: known(roster) == {A})
    assert before == roster.addresses()
    assert len(told) == 3


def test_a_watch_that_ends_is_begun_again_where_it_was(roster: KubernetesRoster, api: ApiState) -> None:
    api.put("one", ENDPOINT_A)
    followed(roster, api, A)
    api.end_watches()
    eventually(lambda: api.asked["watch"] == 2)
    api.put("two", ENDPOINT_B)
    eventually(lambda: known(roster) == {A, B})
    assert api.asked["list"] == 1


def test_a_history_that_is_too_old_is_made_up_by_a_new_list(
    roster: KubernetesRoster, api: ApiState, caplog: pytest.LogCaptureFixture
) -> None:
    api.put("one", ENDPOINT_A)
    followed(roster, api, A)
    with api.lock:
        api.slices.pop("one")  # a change that no watch will tell of
        api.forget_history()
    eventually(lambda: known(roster) == set())
    api.put("two", ENDPOINT_B)
    eventually(lambda: known(roster) == {B})
    assert api.asked["list"] == 2
    assert not caplog.records  # it happens every now and then


def test_what_the_api_server_says_in_a_watch_is_told(
    roster: KubernetesRoster, api: ApiState, caplog: pytest.LogCaptureFixture
) -> None:
    followed(roster, api)
    api.say({"type": "ERROR", "object": {"code": 500, "reason": "InternalError", "message": "etcd is away"}})
    eventually(lambda: api.asked["list"] == 2)
    (told,) = caplog.records
    assert "etcd is away" in told.__dict__["error"]
    assert told.exc_info is None


def test_a_bookmark_says_from_where_the_next_watch_goes_on(roster: KubernetesRoster, api: ApiState) -> None:
    api.put("one", ENDPOINT_A)
    followed(roster, api, A)
    api.bookmark()
    here = str(api.version)
    api.end_watches()
    eventually(lambda: api.asked["watch"] == 2)
    assert api.begun_at[1] == here
    api.put("two", ENDPOINT_B)
    eventually(lambda: known(roster) == {A, B})
    assert api.asked["list"] == 1


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ADDED", "object": {"metadata": {"name": "x"}}},
        {"type": "ADDED", "object": {"metadata": None, "addressType": "IPv4", "endpoints": []}},
        {"type": "BOOKMARK", "object": {}},
        {"type": "ERROR", "object": {"code": 500, "reason": "InternalError", "message": "etcd is away"}},
        {"type": "ADDED"},
    ],
)
def test_an_event_that_cannot_be_read_is_made_up_by_a_new_list(
    roster: KubernetesRoster, api: ApiState, event: dict[str, Any]
) -> None:
    api.put("one", ENDPOINT_A)
    followed(roster, api, A)
    api.say(event)
    eventually(lambda: api.asked["watch"] == 2)
    api.put("two", ENDPOINT_B)
    eventually(lambda: known(roster) == {A, B})


def test_watches_that_end_at_once_are_begun_ever_more_seldom(roster: KubernetesRoster, api: ApiState) -> None:
    api.put("one", ENDPOINT_A)
    api.short_watches = True
    roster.watch(lambda: None)
    eventually(lambda: known(roster) == {A})
    time.sleep(1.0)
    assert 2 <= api.asked["watch"] <= 4  # pauses of 0.25 s, 0.5 s, 1 s and more
    assert api.asked["list"] == 1


def test_while_the_api_fails_the_known_nodes_stay_and_it_is_asked_ever_more_seldom(
    roster: KubernetesRoster, api: ApiState
) -> None:
    api.put("one", ENDPOINT_A)
    followed(roster, api, A)
    with api.lock:
        api.failures = 3
        api.forget_history()
    began = time.monotonic()
    eventually(lambda: api.asked["list"] == 4)
    assert known(roster) == {A}
    api.put("two", ENDPOINT_B)
    eventually(lambda: known(roster) == {A, B})
    assert api.asked["list"] == 5
    assert time.monotonic() - began > 0.25 + 0.5 + 1.0 + 2.0  # pauses, each at least half as long as it may be


def test_an_api_that_fails_at_first_is_tried_until_it_answers(roster: KubernetesRoster, api: ApiState) -> None:
    api.put("one", ENDPOINT_A)
    api.failures = 1
    followed(roster, api, A)
    assert api.asked["list"] == 2


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"ready": True}, True),
        ({"ready": True, "serving": True, "terminating": False}, True),
        ({"ready": False}, False),
        ({"ready": False, "serving": True, "terminating": True}, False),
        ({"ready": True, "serving": False}, False),
        ({}, True),
    ],
)
def test_only_endpoints_that_take_calls_are_nodes(
    roster: KubernetesRoster, api: ApiState, conditions: dict[str, bool], *, expected: bool
) -> None:
    api.put("one", {**ENDPOINT_A, "conditions": conditions or {"ready": None}}, ENDPOINT_B)
    followed(roster, api, *([A] if expected else []), B)


def test_a_service_with_both_families_is_used_by_ipv4_and_one_with_ipv6_only_by_that(
    roster: KubernetesRoster, api: ApiState
) -> None:
    api.put("six", {"address": "fd00::1", "node": "a"}, family="IPv6")
    followed(roster, api, NodeAddress("[fd00::1]:9811", "a"))
    api.put("four", ENDPOINT_A)
    eventually(lambda: known(roster) == {A})
    api.put("names", {"address": "a.example.com"}, family="FQDN")
    api.remove("four")
    eventually(lambda: known(roster) == {NodeAddress("[fd00::1]:9811", "a")})


def test_a_node_that_is_gone_is_forgotten_with_the_pools_of_its_volumes(
    roster: KubernetesRoster, api: ApiState
) -> None:
    first, second, other = (PoolId.fresh() for _ in range(3))
    api.volumes = [
        volume(f"v-{first}-{'0' * 32}", "gone"),
        volume(f"v-{first}-{'1' * 32}", "gone"),
        volume(f"v-{second}-{'0' * 32}", "gone"),
        volume(f"v-{other}-{'0' * 32}", "a"),
        volume(f"v-{other}-{'1' * 32}", "gone", driver="another.example.com"),
        volume("not ours to read", "gone"),
        {"metadata": {"name": "nfs"}, "spec": {"nfs": {"server": "x", "path": "/"}}},
    ]
    assert isinstance(roster, ForgetsNodes)
    assert set(roster.forgotten()) == set()
    found = roster.pools_of("gone")
    assert set(found) == {first, second}
    roster.forget("gone", found)
    assert set(roster.forgotten()) == {first, second}
    roster.forget("gone", [second])  # the first one's volumes are gone by now
    assert set(roster.forgotten()) == {first, second}
    roster.forget(other, [other])
    assert set(roster.forgotten()) == {first, second, other}


def test_a_node_where_the_driver_runs_cannot_be_forgotten(roster: KubernetesRoster, api: ApiState) -> None:
    api.put("one", ENDPOINT_A)
    with pytest.raises(StillInUse, match="still runs on node a"):
        roster.forget("a", [PoolId.fresh()])
    assert api.maps == {}


def test_a_node_that_is_ready_is_not_forgotten_while_its_driver_is_down(
    roster: KubernetesRoster, api: ApiState
) -> None:
    pool = PoolId.fresh()
    api.volumes = [volume(f"v-{pool}-{'0' * 32}", "a")]
    ready = {"type": "Ready", "status": "True"}
    node = api.have("/api/v1/nodes/a", {"metadata": {"name": "a"}, "status": {"conditions": [ready]}})
    for name in ("a", pool):
        with pytest.raises(StillInUse, match="kubectl delete node a"):
            roster.forget(name, [pool])
    assert api.maps == {}
    node["status"]["conditions"][0]["status"] = "Unknown"  # as it is once kubelet has said nothing for a while
    roster.forget("a", [pool])
    assert set(roster.forgotten()) == {pool}


def test_an_entry_that_somebody_edited_wrongly_forgets_nothing(roster: KubernetesRoster, api: ApiState) -> None:
    pool = PoolId.fresh()
    name = f"{SERVICE}-forgotten"
    api.maps[name] = {"metadata": {"name": name}, "data": {"a": f"{pool} # because", "b": "all", "c": ""}}
    assert set(roster.forgotten()) == {pool}


def test_an_api_that_does_not_answer_is_told_as_a_roster_that_is_away(roster: KubernetesRoster, api: ApiState) -> None:
    api.failures = 1
    with pytest.raises(RosterAway, match="500"):
        roster.forget("gone", [PoolId.fresh()])
