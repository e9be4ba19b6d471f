"""What a pod has waited for, in parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rokcsi.model.doorkeeper import Side
from rokcsi.timeline.delay import Delay, Part
from tests.unit.timeline.conftest import Timeline


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_parts_make_up_the_whole_and_what_is_left_is_writing() -> None:
    clock = Clock()
    delay = Delay(clock)
    for part, seconds in ((Part.GATHERING, 0.5), (Part.CUT, 0.25), (Part.GATHERING, 0.25)):
        with delay.of(part):
            clock.now += seconds
    delay.add(Part.FREEZE, 0.002)
    clock.now += 1.0
    assert delay.parts() == {
        Part.GATHERING: 0.75,
        Part.CUT: 0.25,
        Part.FREEZE: 0.002,
        Part.WRITING: pytest.approx(1.0),
        Part.ALL: 2.0,
    }
    assert str(delay) == "2.00 s: gathering 0.75, cut 0.25 (frozen 2.0 ms), writing 1.00"


def test_only_the_waiting_for_ones_turn_is_counted_as_such() -> None:
    clock = Clock()
    delay = Delay(clock)

    @contextmanager
    def turn() -> Iterator[None]:
        clock.now += 3.0
        yield

    with delay.until_in(Part.TURN, turn()):
        clock.now += 1.0
    assert delay.parts()[Part.TURN] == 3.0
    assert delay.parts()[Part.ALL] == 4.0


def test_each_checkpoint_that_is_taken_is_counted_with_its_parts_and_told_of(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    timeline.pods.ends("train")
    timeline.leaves(at)
    for side in Side:
        seconds = {part: each for told, part, each in timeline.waits if told is side}
        assert set(seconds) == set(Part)
        assert seconds[Part.FREEZE] == 0.002
        rest = sum(each for part, each in seconds.items() if part not in {Part.ALL, Part.FREEZE})
        assert rest == pytest.approx(seconds[Part.ALL])
    assert all("frozen 2.0 ms" in text for _, reason, text, _ in timeline.notices.told if reason == "CheckpointTaken")


def test_a_pod_that_wants_none_is_not_counted(timeline: Timeline) -> None:
    timeline.pods.claim("plain", said=())
    timeline.enters(timeline.pods.comes("quiet", "plain"), "plain")
    assert not timeline.waits
