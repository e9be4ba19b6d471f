"""A clone's node while its claim is being made: what can be said at once, and what is left for later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from rokcsi.model.claims import Claim, NamespacedName, Source, SourceKind
from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import (
    CatalogUnreadable,
    Damaged,
    NodeForgotten,
    PoolDisputed,
    PoolElsewhere,
    RosterAway,
    SnapshotNotFound,
    SourceNotAllowed,
    SourceNotReady,
)
from rokcsi.model.ids import PoolId
from rokcsi.timeline import first_nodes
from rokcsi.timeline.first_nodes import TimelyFirstNodes
from rokcsi.timeline.whereabouts import Whereabouts
from tests.fakes.claims import HANDLE, POOL, CountedPlacements, KnownPlaces, MemoryClaims, claim
from tests.fakes.patience import eventually


class House:
    """Among fakes, with the data on node `here`."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.claims, self.places, self.log = MemoryClaims(), KnownPlaces({POOL: "here"}), CountedPlacements()
        self.nodes = TimelyFirstNodes(Whereabouts(self.claims, self.places), self.log, seconds)


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.nodes.stop()


@pytest.mark.parametrize(
    ("kind", "handle"),
    [(SourceKind.SNAPSHOT, HANDLE), (SourceKind.VOLUME, HANDLE.replace("s-", "v-", 1)), (SourceKind.ORIGIN, HANDLE)],
)
def test_a_clone_that_is_being_made_has_the_node_of_its_sources_data(
    house: House, kind: SourceKind, handle: str
) -> None:
    house.claims.handle = handle
    assert house.nodes.node_for(replace(claim(kind=kind), uid="", version="")) == "here"
    assert house.log.counted == {"placed": 1}
    assert house.claims.stamped == []


def test_a_claim_of_somebody_elses_is_left_alone(house: House) -> None:
    house.claims.ours = False
    assert house.nodes.node_for(claim()) == ""
    assert house.log.counted == {"not_ours": 1}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (SourceNotReady("still being taken"), "source_not_ready"),
        (SourceNotAllowed("somebody else's"), "source_refused"),
        (SnapshotNotFound("no such handle"), "source_refused"),
        (CatalogUnreadable("damaged"), "source_refused"),
        (RosterAway("no API server"), "cluster_away"),
        (Damaged("strange"), "failed"),
    ],
)
def test_a_source_of_which_nothing_can_be_said_is_left_for_later(house: House, error: Damaged, outcome: str) -> None:
    house.claims.handle = error
    assert house.nodes.node_for(claim()) == ""
    assert house.log.counted == {outcome: 1}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PoolElsewhere("away"), "node_away"),
        (PoolDisputed("two of them"), "node_away"),
        (NodeForgotten("gone for good"), "node_away"),
        (RosterAway("not known where the nodes are"), "cluster_away"),
    ],
)
def test_a_node_that_is_not_known_is_left_for_later(house: House, error: PoolElsewhere, outcome: str) -> None:
    house.places.wrong = error
    assert house.nodes.node_for(claim()) == ""
    assert house.log.counted == {outcome: 1}


def test_what_nobody_foresaw_keeps_nobody_from_making_a_claim(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(asked: Claim) -> str:
        raise ZeroDivisionError(asked.name)

    monkeypatch.setattr(house.claims, "handle_of_source", breaks)
    assert house.nodes.node_for(claim()) == ""
    assert house.log.counted == {"failed": 1}


class SlowPlaces:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.limits: list[float | None] = []

    def node_of(self, pool: PoolId) -> str:
        self.limits.append(current_deadline().remaining_seconds())
        assert self.go.wait(20)
        return f"node of {pool}"


def of_source(name: str) -> Claim:
    return replace(claim(), source=Source(SourceKind.SNAPSHOT, name))


def test_whoever_is_slow_is_not_waited_for_nor_asked_for_nobody() -> None:
    places, log = SlowPlaces(), CountedPlacements()
    nodes = TimelyFirstNodes(Whereabouts(MemoryClaims(), places), log, 0.05)
    began = time.monotonic()
    answers = [nodes.node_for(of_source(f"s{number}")) for number in range(12)]  # more than there are workers
    assert time.monotonic() - began < 10
    assert set(answers) == {""}
    assert log.counted == {"too_late": 12}
    places.go.set()
    nodes.stop()
    assert len(places.limits) <= 8  # the others had not begun, and never do
    assert all(limit is not None and limit <= 0.05 for limit in places.limits)


def test_a_crowd_of_clones_of_one_source_is_one_question() -> None:
    places, log = SlowPlaces(), CountedPlacements()
    nodes = TimelyFirstNodes(Whereabouts(MemoryClaims(), places), log, 20.0)
    names = [NamespacedName("work", f"again-{number}") for number in range(20)]
    with ThreadPoolExecutor(20) as crowd:
        answers = [crowd.submit(nodes.node_for, claim(name=name)) for name in names]
        eventually(lambda: places.limits)
        places.go.set()
        assert {answer.result(20) for answer in answers} == {f"node of {POOL}"}
    assert log.counted == {"placed": 20}
    assert len(places.limits) == 1
    nodes.stop()


def test_what_was_found_holds_for_a_while_and_for_its_own_namespace_only(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_nodes, "SHARED_SECONDS", 60.0)
    assert house.nodes.node_for(claim()) == "here"
    house.places.nodes = {POOL: "elsewhere"}
    assert house.nodes.node_for(claim()) == "here"
    assert house.nodes.node_for(claim(name=NamespacedName("theirs", "again"))) == "elsewhere"
    monkeypatch.setattr(first_nodes, "SHARED_SECONDS", 0.0)
    assert house.nodes.node_for(claim()) == "elsewhere"


def test_what_could_not_be_found_is_asked_anew(house: House) -> None:
    house.claims.handle = SourceNotReady("still being taken")
    assert house.nodes.node_for(claim()) == ""
    house.claims.handle = HANDLE
    assert house.nodes.node_for(claim()) == "here"
    assert house.log.counted == {"source_not_ready": 1, "placed": 1}


def test_after_the_end_claims_are_left_for_later(house: House) -> None:
    house.nodes.stop()
    assert house.nodes.node_for(claim()) == ""
