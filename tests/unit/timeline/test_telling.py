"""What owners of claims hear, and how often."""

from __future__ import annotations

import datetime as dt

import pytest

from rokcsi.model.claims import NamespacedName, Notice, Owned
from rokcsi.model.errors import RosterAway
from rokcsi.timeline.telling import EVERY, Telling
from tests.fakes.claims import CountedPlacements, KeptNotices, claim


class Clock:
    def __init__(self) -> None:
        self.now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now


def test_the_same_thing_is_told_at_once_and_then_every_few_minutes() -> None:
    notices, log, clock = KeptNotices(), CountedPlacements(), Clock()
    telling = Telling(notices, log, clock)
    telling.tell(claim(), "Away", "first")
    clock.now += EVERY / 2
    assert not telling.is_due(claim(), "Away")
    telling.tell(claim(), "Away", "too soon")
    clock.now += EVERY / 2
    telling.tell(claim(), "Away", "again")
    told = [(notice.text, notice.count) for _, notice in notices.written]
    assert told == [("first", 1), ("again", 2)]
    assert len({notice.first for _, notice in notices.written}) == 1
    assert log.counted == {"Away": 2}


def test_another_claim_and_another_reason_have_their_own_turn() -> None:
    notices = KeptNotices()
    telling = Telling(notices, CountedPlacements(), Clock())
    telling.tell(claim(), "Away", "a")
    telling.tell(claim(), "Gone", "b")
    telling.tell(claim(name=NamespacedName("work", "other")), "Away", "c")
    assert [notice.count for _, notice in notices.written] == [1, 1, 1]


def test_what_was_told_an_hour_ago_is_begun_anew() -> None:
    notices, clock = KeptNotices(), Clock()
    telling = Telling(notices, CountedPlacements(), clock)
    telling.tell(claim(), "Away", "a")
    clock.now += dt.timedelta(hours=2)
    telling.tell(claim(name=NamespacedName("work", "other")), "Away", "b")
    telling.tell(claim(), "Away", "c")
    assert [notice.count for _, notice in notices.written] == [1, 1, 1]


def test_what_the_cluster_did_not_take_is_told_at_the_next_look() -> None:
    class Away(KeptNotices):
        away = True

        def write(self, thing: Owned, notice: Notice) -> None:
            if self.away:
                raise RosterAway("nobody answers")
            super().write(thing, notice)

    notices, log = Away(), CountedPlacements()
    telling = Telling(notices, log, Clock())
    for _ in range(2):
        with pytest.raises(RosterAway):
            telling.tell(claim(), "Away", "first")
    notices.away = False
    telling.tell(claim(), "Away", "first")
    telling.tell(claim(), "Away", "told already")
    assert [(notice.text, notice.count) for _, notice in notices.written] == [("first", 1)]
    assert log.counted == {"Away": 1}
