from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rokcsi.wiring.daily_trim import DailyTrim


class Rounds:
    """Remembers how often it was asked to trim; each time it goes on until told otherwise, or for `parts`."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.begun = threading.Semaphore(0)
        self.ended = 0

    def trim(self, go_on: Callable[[], bool]) -> None:
        self.begun.release()
        for _ in range(self.parts):
            if not go_on():
                break
        self.ended += 1


def test_it_trims_again_and_again() -> None:
    rounds = Rounds(parts=0)
    with DailyTrim(rounds.trim, day_seconds=0.01):
        for _ in range(3):
            assert rounds.begun.acquire(timeout=30)


def test_it_stops_in_the_middle_of_a_round() -> None:
    rounds = Rounds(parts=1_000_000)
    with DailyTrim(rounds.trim, day_seconds=0.01):
        assert rounds.begun.acquire(timeout=30)
    assert rounds.ended == 1


def test_it_stops_at_once_while_it_waits() -> None:
    rounds, began = Rounds(parts=0), time.monotonic()
    with DailyTrim(rounds.trim):
        pass
    assert time.monotonic() - began < 60
    assert rounds.ended == 0
    assert not any(thread.name == "daily-trim" for thread in threading.enumerate())
