"""Where clones go, and what their owners hear when they cannot go there."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from rokcsi.model.claims import NamespacedName, SourceKind
from rokcsi.model.errors import (
    CatalogUnreadable,
    NodeForgotten,
    PoolDisputed,
    RokcsiError,
    RosterAway,
    SnapshotNotFound,
    SourceNotAllowed,
    SourceNotReady,
)
from rokcsi.timeline.placing import AWAY_SECONDS, LOOK_AGAIN_SECONDS, Placing
from rokcsi.timeline.telling import Telling
from tests.fakes.claims import HANDLE, NAME, POOL, CountedPlacements, KeptNotices, KnownPlaces, MemoryClaims, claim


class House:
    """Placing among fakes, with the data on node `here`."""

    def __init__(self) -> None:
        self.claims, self.places = MemoryClaims(), KnownPlaces({POOL: "here"})
        self.notices, self.log = KeptNotices(), CountedPlacements()
        self.placing = Placing(self.claims, self.places, Telling(self.notices, self.log), self.log)

    def told(self) -> list[tuple[str, str]]:
        return [(notice.reason, notice.text) for _, notice in self.notices.written]


@pytest.fixture
def house() -> House:
    return House()


def test_a_clone_gets_the_node_of_its_sources_data(house: House) -> None:
    assert house.placing.look(house.claims.put(claim())) == LOOK_AGAIN_SECONDS
    assert house.claims.stamped == [(NAME, "here")]
    assert house.log.counted == {"placed": 1}


def test_a_node_that_the_scheduler_chose_wrongly_is_corrected(house: House) -> None:
    house.placing.look(house.claims.put(claim(node="elsewhere")))
    assert house.claims.stamped == [(NAME, "here")]
    assert house.log.counted == {"corrected": 1}


def test_a_clone_that_has_the_right_node_is_left_alone(house: House) -> None:
    assert house.placing.look(house.claims.put(claim(node="here"))) == LOOK_AGAIN_SECONDS
    assert (house.claims.stamped, house.told()) == ([], [])


def test_a_clone_of_a_claim_goes_to_the_claims_volume(house: House) -> None:
    house.claims.handle = f"v-{POOL}-{'0' * 32}"
    house.placing.look(house.claims.put(claim(kind=SourceKind.VOLUME)))
    assert house.claims.stamped == [(NAME, "here")]


def test_a_clone_of_an_origin_goes_to_the_snapshot_that_it_stands_for(house: House) -> None:
    house.placing.look(house.claims.put(claim(kind=SourceKind.ORIGIN)))
    assert house.claims.stamped == [(NAME, "here")]


def test_a_claim_of_another_class_is_none_of_ours(house: House) -> None:
    house.claims.ours = False
    assert house.placing.look(house.claims.put(claim())) is None
    assert house.claims.stamped == []


def test_a_claim_that_changed_meanwhile_is_not_written_over(house: House) -> None:
    seen = house.claims.put(claim())
    house.claims.put(replace(seen, version="2", node="elsewhere"))
    house.placing.look(seen)
    assert (house.claims.stamped, house.log.counted) == ([], {})


def test_who_is_corrected_again_and_again_is_corrected_ever_more_seldom(house: House) -> None:
    house.placing.look(house.claims.put(claim(node="elsewhere")))
    pause = house.placing.look(house.claims.put(claim(node="elsewhere")))
    assert pause is not None
    assert 0 < pause <= 0.5
    assert len(house.claims.stamped) == 1
    house.placing.forget(NAME)
    house.placing.look(house.claims.put(claim(node="elsewhere")))
    assert len(house.claims.stamped) == 2


@pytest.mark.parametrize(("age_seconds", "expected"), [(0, 0.5), (40, 10.0), (10_000, 30.0)])
def test_a_source_that_is_not_ready_is_looked_for_ever_more_seldom(
    house: House, age_seconds: float, expected: float
) -> None:
    house.claims.handle = SourceNotReady("still being taken")
    old = replace(claim(), created=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age_seconds))
    assert house.placing.look(old) == pytest.approx(expected, rel=0.1)
    assert house.told() == []


@pytest.mark.parametrize(
    "handle",
    [
        SourceNotAllowed("the VolumeSnapshotContent x does not belong to work/before"),
        CatalogUnreadable("nothing is known of the checkpoints of the namespace work"),
        "nonsense",
        "../s",
    ],
)
def test_a_source_that_is_not_the_claims_own_is_refused_with_an_event(house: House, handle: str | RokcsiError) -> None:
    house.claims.handle = handle
    house.placing.look(house.claims.put(claim()))
    assert house.claims.stamped == []
    assert house.notices.reasons() == ["SourceRefused"]


def test_while_the_node_is_away_its_name_is_told_once_and_the_clone_waits(house: House) -> None:
    house.places.nodes.clear()
    house.claims.places[POOL] = "here"
    seen = house.claims.put(claim())
    assert [house.placing.look(seen), house.placing.look(seen)] == [AWAY_SECONDS, AWAY_SECONDS]
    ((reason, text),) = house.told()
    assert reason == "SourceNodeAway"
    assert "data is on node here" in text
    house.places.nodes[POOL] = "here"
    house.placing.look(seen)
    assert house.claims.stamped == [(NAME, "here")]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [(NodeForgotten("gone for good"), "SourceNodeGone"), (PoolDisputed("two serve it"), "SourceNodeAway")],
)
def test_why_nobody_has_the_data_is_told_with_the_pool_where_no_node_is_known(
    house: House, wrong: RokcsiError, reason: str
) -> None:
    house.places.wrong = wrong
    house.placing.look(house.claims.put(claim()))
    ((told, text),) = house.told()
    assert told == reason
    assert f"in the pool {POOL}" in text
    assert str(wrong) in text


def test_a_node_that_cannot_take_the_pod_is_named(house: House) -> None:
    house.claims.troubles["here"] = "it takes no new pods (kubectl uncordon)"
    house.placing.look(house.claims.put(claim(node="here")))
    ((reason, text),) = house.told()
    assert reason == "SourceNodeNotReady"
    assert "on node here" in text
    assert "uncordon" in text


def test_while_the_cluster_does_not_answer_nothing_is_told(house: House) -> None:
    house.places.wrong = RosterAway("not known where the nodes are")
    with pytest.raises(RosterAway):
        house.placing.look(house.claims.put(claim()))
    assert house.told() == []


def test_a_snapshots_handle_of_no_pool_is_refused_like_one_that_is_not_there(house: House) -> None:
    house.claims.handle = SnapshotNotFound(f"{HANDLE} is not there")
    house.placing.look(house.claims.put(claim(name=NamespacedName("work", "other"))))
    assert house.notices.reasons() == ["SourceRefused"]
