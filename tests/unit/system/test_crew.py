from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rokcsi.system.crew import Crew


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew(2)
    yield crew
    crew.close()


def test_every_deed_is_done_and_each_failure_is_told_in_its_place(crew: Crew) -> None:
    done: list[int] = []
    broken = ValueError("second")

    def fail() -> None:
        raise broken

    assert crew.run([lambda: done.append(1), fail, lambda: done.append(3)]) == [None, broken, None]
    assert sorted(done) == [1, 3]


def test_deeds_go_on_side_by_side(crew: Crew) -> None:
    meeting = threading.Barrier(3)
    assert crew.run([lambda: void(meeting.wait(10))] * 3) == [None] * 3


def test_a_busy_crew_lets_the_caller_do_the_work(crew: Crew) -> None:
    release, held = threading.Event(), threading.Barrier(3)

    def hold() -> None:
        held.wait(10)
        release.wait(30)

    others = threading.Thread(target=crew.run, args=([hold, hold],))
    more = threading.Thread(target=crew.run, args=([hold],))
    others.start()
    more.start()
    try:
        assert crew.run([lambda: None] * 5) == [None] * 5
    finally:
        release.set()
        others.join(30)
        more.join(30)


def test_nothing_to_do_is_done_at_once(crew: Crew) -> None:
    assert crew.run([]) == []


def void(_: int) -> None:
    """Drop a result."""
