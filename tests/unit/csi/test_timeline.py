"""What nodes and the switchboard ask of the timeline, over real TLS on loopback: who may, what is heard, what a silence is."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import grpc
import pytest

from rokcsi.csi.peers import Bearer
from rokcsi.csi.server import Server
from rokcsi.csi.status import Relayed
from rokcsi.csi.timeline_line import TimelineLine
from rokcsi.csi.timeline_service import TimelineService
from rokcsi.csi.tls_channel import tls_channel
from rokcsi.csi.tls_port import TlsPort
from rokcsi.model.claims import NamespacedName
from rokcsi.model.deadline import current_deadline
from rokcsi.model.doorkeeper import Passage, PodAtDoor, Side
from rokcsi.model.errors import CheckpointFailed, PoolFull, RosterAway, SourceNotAllowed, TimelineAway
from tests.fakes.certificates import Authority
from tests.fakes.csi_driver import RememberedCalls

CONTROLLER, NODE = "rokcsi-controller", "rokcsi-node"
SINCE = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
POD = PodAtDoor("team-a", "train-" + "x" * 240, "uid-1")
BEFORE = Passage(POD, Side.BEFORE, "volume-handle", SINCE)
AFTER = Passage(POD, Side.AFTER, "volume-handle")


@dataclass
class RememberedVisits:
    """Answers what it is told to, and remembers what was asked."""

    error: Exception | None = None
    seconds: float = 0.0
    asked: list[object] = field(default_factory=list)
    limits: list[float | None] = field(default_factory=list)

    def enters(self, passage: Passage) -> str:
        return self._answer(passage)

    def leaves(self, passage: Passage) -> str:
        return self._answer(passage)

    def snapshot_for(self, claim: NamespacedName, origin: str) -> str:
        return self._answer((claim, origin))

    def _answer(self, asked: object) -> str:
        self.asked.append(asked)
        self.limits.append(current_deadline().remaining_seconds())
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return "answer"


@dataclass
class ServedTimeline:
    visits: RememberedVisits
    calls: RememberedCalls
    server: Server
    line: Callable[[str], TimelineLine]


@pytest.fixture
def served(authority: Authority) -> Iterator[ServedTimeline]:
    visits, calls = RememberedVisits(), RememberedCalls()
    service = TimelineService(visits, visits, Bearer(NODE), Bearer(CONTROLLER))
    server = Server(TlsPort("127.0.0.1:0", authority.issue(CONTROLLER).read()), service, calls=[calls], workers=8)
    server.start()
    lines: list[TimelineLine] = []

    def line(name: str) -> TimelineLine:
        lines.append(TimelineLine(tls_channel(server.endpoint, authority.issue(name).read(), CONTROLLER)))
        return lines[-1]

    yield ServedTimeline(visits, calls, server, line)
    for each in lines:
        each.close()
    server.stop(0.0)


def test_both_ends_of_a_visit_are_heard_as_they_were_told(served: ServedTimeline) -> None:
    line = served.line(NODE)
    line.asked(BEFORE, 10.0, patient=True)
    line.asked(AFTER, 10.0, patient=False)
    assert served.visits.asked == [BEFORE, AFTER]
    assert all(limit is not None and 5 < limit < 11 for limit in served.visits.limits)
    assert [method for method, *_ in served.calls.lines] == ["PodEnters", "PodLeaves"]


def test_an_origin_is_found_for_the_controller_only(served: ServedTimeline) -> None:
    claim = NamespacedName("team-a", "work")
    assert served.line(CONTROLLER).snapshot_for(claim, "https://rok/x", 5.0) == "answer"
    assert served.visits.asked == [(claim, "https://rok/x")]
    with pytest.raises(Relayed) as refused:
        served.line(NODE).snapshot_for(claim, "https://rok/x", 5.0)
    assert refused.value.refusal.code is grpc.StatusCode.PERMISSION_DENIED
    assert len(served.visits.asked) == 1


@pytest.mark.parametrize("name", [CONTROLLER, "somebody"])
def test_only_a_node_tells_of_pods(served: ServedTimeline, name: str) -> None:
    with pytest.raises(CheckpointFailed, match="PERMISSION_DENIED"):
        served.line(name).asked(BEFORE, 5.0, patient=True)
    assert not served.visits.asked


@pytest.mark.parametrize("error", [PoolFull("no room"), SourceNotAllowed("no")])
def test_a_refusal_is_a_checkpoint_that_failed(served: ServedTimeline, error: Exception) -> None:
    served.visits.error = error
    with pytest.raises(CheckpointFailed, match=str(error)):
        served.line(NODE).asked(BEFORE, 5.0, patient=True)


def test_a_timeline_that_cannot_know_is_away(served: ServedTimeline) -> None:
    served.visits.error = RosterAway("the API server is away")
    with pytest.raises(TimelineAway, match="API server"):
        served.line(NODE).asked(BEFORE, 5.0, patient=True)


def test_a_refused_origin_is_told_in_the_same_words(served: ServedTimeline) -> None:
    served.visits.error = SourceNotAllowed("it belongs to team-b")
    with pytest.raises(Relayed, match="it belongs to team-b"):
        served.line(CONTROLLER).snapshot_for(NamespacedName("team-a", "work"), "x", 5.0)


def test_no_answer_within_the_time_is_an_absence(served: ServedTimeline) -> None:
    served.visits.seconds = 1.5
    began = time.monotonic()
    with pytest.raises(TimelineAway, match="DEADLINE_EXCEEDED"):
        served.line(NODE).asked(BEFORE, 0.5, patient=True)
    assert time.monotonic() - began < 1.4


def test_who_is_not_patient_does_not_wait_for_a_timeline_that_nobody_serves(
    served: ServedTimeline,
) -> None:
    line = served.line(NODE)
    served.server.stop(0.0)
    began = time.monotonic()
    with pytest.raises(TimelineAway):
        line.asked(BEFORE, 10.0, patient=False)
    assert time.monotonic() - began < 4.0
    began = time.monotonic()
    with pytest.raises(TimelineAway):
        line.asked(BEFORE, 1.0, patient=True)
    assert time.monotonic() - began > 0.9


def test_names_longer_than_kubernetes_allows_are_refused(served: ServedTimeline) -> None:
    too_long = Passage(PodAtDoor("team-a", "x" * 254, "uid"), Side.BEFORE, "volume-handle")
    with pytest.raises(CheckpointFailed, match="INVALID_ARGUMENT"):
        served.line(NODE).asked(too_long, 5.0, patient=True)
    assert not served.visits.asked
