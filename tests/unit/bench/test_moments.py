"""Moments of the bench: the first time counts, waiting ends in time, and a pod that has ended will not run any more."""

from __future__ import annotations

import pytest

from bench.cluster import ENDED, READY, RUNNING, SCHEDULED, Moments, TooSlow


def test_a_moment_is_the_first_time_that_it_was_so() -> None:
    moments = Moments()
    moments.note("pod", RUNNING)
    first = moments.of("pod", RUNNING, 0)
    moments.note("pod", RUNNING)
    assert moments.of("pod", RUNNING, 0) == first


def test_what_does_not_come_in_time_is_too_slow() -> None:
    moments = Moments()
    moments.note("another pod", RUNNING)
    with pytest.raises(TooSlow, match="pod was not «running»"):
        moments.of("pod", RUNNING, 0.01)


@pytest.mark.parametrize("awaited", [RUNNING, READY])
def test_a_pod_that_has_ended_is_not_waited_for(awaited: str) -> None:
    moments = Moments()
    moments.note("pod", ENDED)
    with pytest.raises(TooSlow):
        moments.of("pod", awaited, 3600)


def test_a_pod_that_has_ended_was_scheduled_before() -> None:
    moments = Moments()
    moments.note("pod", SCHEDULED)
    moments.note("pod", ENDED)
    assert moments.of("pod", SCHEDULED, 0)
