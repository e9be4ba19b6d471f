"""When it is certain that nobody has written to a volume."""

from __future__ import annotations

import datetime as dt

import pytest

from rokcsi.timeline import witness as module
from rokcsi.timeline.witness import MARGIN, Witness

BEGAN = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)


def at(minutes: float) -> dt.datetime:
    return BEGAN + dt.timedelta(minutes=minutes)


class Clock:
    now = BEGAN

    def __call__(self) -> dt.datetime:
        return self.now


def untouched(witness: Witness, since: float, answered: float | None = 0) -> bool:
    answered_since = None if answered is None else at(answered)
    return witness.untouched("v", at(since), besides="me", answered_since=answered_since)


def test_nothing_is_claimed_of_the_time_before_anybody_looked() -> None:
    witness = Witness(Clock())
    assert at(2) - at(0) > MARGIN
    assert untouched(witness, 2)
    assert not untouched(witness, 0.5)
    assert not untouched(witness, 2, answered=1.5)
    assert not untouched(witness, 2, answered=None)


def test_a_writer_who_is_there_or_has_been_is_known() -> None:
    clock = Clock()
    witness = Witness(clock)
    witness.entered("other", ["v", "w"])
    witness.entered("me", ["v"])
    assert not untouched(witness, 5)
    clock.now = at(10)
    witness.left("other")
    assert not untouched(witness, 5)
    assert not untouched(witness, 10.5)
    assert untouched(witness, 12)


def test_who_asks_is_no_other() -> None:
    witness = Witness(Clock())
    witness.entered("me", ["v"])
    assert untouched(witness, 5)


def test_of_many_volumes_the_oldest_are_forgotten_and_nothing_is_claimed_of_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 2)
    clock = Clock()
    witness = Witness(clock)
    for minute, volume in enumerate(("v", "w", "x"), start=10):
        clock.now = at(minute)
        witness.entered("other", [volume])
        witness.left("other")
    assert len(vars(witness)["_last_left"]) == 2
    assert not untouched(witness, 5)
    assert not untouched(witness, 10.5)
    assert untouched(witness, 12)
