"""What is looked at, when, and by whom."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from rokcsi.model.errors import RosterAway
from rokcsi.timeline import agenda as module
from rokcsi.timeline.agenda import Agenda
from tests.fakes.patience import eventually

PATIENCE_SECONDS = 10.0
Look = Callable[[int], float | None]


@pytest.fixture
def begun() -> Iterator[Callable[[Look, int], Agenda[str, int]]]:
    made: list[Agenda[str, int]] = []

    def begin(look: Look, workers: int = 2) -> Agenda[str, int]:
        made.append(Agenda(look, workers, "test"))
        made[-1].start()
        return made[-1]

    yield begin
    for each in made:
        each.stop()


def test_a_thing_is_looked_at_again_when_it_asks_for_it_and_not_after_that(
    begun: Callable[[Look, int], Agenda[str, int]],
) -> None:
    looks: list[float] = []

    def look(_: int) -> float | None:
        looks.append(time.monotonic())
        return 0.2 if len(looks) < 3 else None

    agenda = begun(look, 2)
    agenda.put("a", 1)
    eventually(lambda: len(looks) == 3 and len(agenda) == 0)
    assert looks[1] - looks[0] >= 0.2


def test_what_comes_in_during_a_look_is_looked_at_after_it_and_never_beside_it(
    begun: Callable[[Look, int], Agenda[str, int]],
) -> None:
    seen: list[int] = []
    at_work, go_on = threading.Semaphore(0), threading.Event()
    beside = threading.Lock()

    def look(thing: int) -> float | None:
        assert beside.acquire(blocking=False)
        seen.append(thing)
        at_work.release()
        go_on.wait(PATIENCE_SECONDS)
        beside.release()
        return None

    agenda = begun(look, 4)
    agenda.put("a", 1)
    assert at_work.acquire(timeout=PATIENCE_SECONDS)
    agenda.put("a", 2)
    agenda.put("a", 3)
    go_on.set()
    eventually(lambda: seen == [1, 3] and len(agenda) == 0)


def test_a_thing_is_brought_forward_and_never_put_off(begun: Callable[[Look, int], Agenda[str, int]]) -> None:
    seen: list[int] = []
    agenda = begun(seen.append, 2)
    agenda.put("a", 1, seconds=60.0)
    agenda.put("a", 2)
    eventually(lambda: seen == [2])
    agenda.put("b", 3, seconds=0.1)
    agenda.put("b", 4, seconds=60.0)
    eventually(lambda: seen == [2, 4])


def test_what_is_dropped_is_not_looked_at(begun: Callable[[Look, int], Agenda[str, int]]) -> None:
    seen: list[int] = []
    agenda = begun(seen.append, 2)
    agenda.put("a", 1, seconds=0.2)
    agenda.put("b", 2, seconds=0.3)
    agenda.drop("a")
    assert agenda.names() == ["b"]
    eventually(lambda: seen == [2])


@pytest.mark.parametrize("wrong", [RosterAway("away"), KeyError("strange")])
def test_whatever_goes_wrong_it_is_tried_again_and_keeps_nothing_waiting(
    begun: Callable[[Look, int], Agenda[str, int]], monkeypatch: pytest.MonkeyPatch, wrong: Exception
) -> None:
    monkeypatch.setattr(module, "AFTER_FAILURE_SECONDS", 0.1)
    looks: list[int] = []

    def look(thing: int) -> float | None:
        looks.append(thing)
        if thing == 1 and looks.count(1) < 3:
            raise wrong
        return None

    agenda = begun(look, 1)
    agenda.put("a", 1)
    agenda.put("b", 2)
    eventually(lambda: len(agenda) == 0)
    assert sorted(looks) == [1, 1, 1, 2]


def test_what_fails_again_and_again_is_tried_ever_more_seldom(
    begun: Callable[[Look, int], Agenda[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AFTER_FAILURE_SECONDS", 0.1)
    looks: list[float] = []

    def look(thing: int) -> float | None:
        looks.append(time.monotonic())
        if thing == 1:
            raise RosterAway("away")
        return None

    agenda = begun(look, 1)
    agenda.put("a", 1)
    eventually(lambda: len(looks) == 4)
    pauses = [second - first for first, second in itertools.pairwise(looks)]
    assert pauses[1] >= 0.2
    assert pauses[2] >= 0.4
    agenda.put("a", 2)
    eventually(lambda: len(agenda) == 0)
    assert vars(agenda)["_failures"] == {}


def test_after_the_end_nothing_is_looked_at(begun: Callable[[Look, int], Agenda[str, int]]) -> None:
    seen: list[int] = []
    agenda = begun(seen.append, 2)
    agenda.stop()
    agenda.put("a", 1)
    time.sleep(0.1)
    assert seen == []
