"""A clone's node while its claim is being made: what can be said at once, and what is left for later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rokcsi.model.claims import Claim, SourceKind
from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import (
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
from rokcsi.timeline.first_nodes import TimelyFirstNodes
from rokcsi.timeline.whereabouts import Whereabouts
from tests.fakes.claims import HANDLE, POOL, CountedPlacements, KnownPlaces, MemoryClaims, claim


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


def test_whoever_is_slow_is_not_waited_for() -> None:
    places, log = SlowPlaces(), CountedPlacements()
    nodes = TimelyFirstNodes(Whereabouts(MemoryClaims(), places), log, 0.05)
    began = time.monotonic()
    answers = [nodes.node_for(claim()) for _ in range(12)]  # more than there are workers
    assert time.monotonic() - began < 10
    assert set(answers) == {""}
    assert log.counted == {"too_late": 12}
    places.go.set()
    nodes.stop()
    assert len(places.limits) <= 8  # the others had not begun, and never do
    assert all(limit is not None and limit <= 0.05 for limit in places.limits)


def test_after_the_end_claims_are_left_for_later(house: House) -> None:
    house.nodes.stop()
    assert house.nodes.node_for(claim()) == ""
