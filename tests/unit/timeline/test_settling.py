"""Visits whose end nobody tells: settled when the cluster knows, late where the instant has passed."""

from __future__ import annotations

import datetime as dt

import pytest

from rokcsi.model.errors import PoolElsewhere, VolumeNotFound
from rokcsi.model.history import VersionState
from rokcsi.model.runs import StepStatus
from rokcsi.timeline.settling import LEAVES_WITHIN, NEXT_LOOK_SECONDS
from tests.fakes.visited_cluster import NAMESPACE
from tests.unit.timeline.conftest import Timeline, after, before


def test_a_pod_that_runs_is_looked_at_again(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    timeline.pods.runs("train")
    assert timeline.settling.look(at) == NEXT_LOOK_SECONDS
    assert timeline.attempt(at).status is StepStatus.RUNNING


def test_an_exit_status_that_was_not_known_yet_is_written_down_later(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    timeline.pods.runs("train")
    version = timeline.leaves(at)
    assert version is not None
    assert version.reason.exit_status is None
    assert timeline.attempt(at).status is StepStatus.RUNNING
    timeline.pods.ends("train", 137, "OOMKilled")
    assert timeline.settling.look(at) is None
    version = timeline.version(after(at))
    assert version is not None
    assert version.reason.exit_status == 137
    assert version.message == "OOMKilled"
    assert "137" in version.title
    assert (timeline.attempt(at).status, timeline.attempt(at).after) == (StepStatus.FAILED, version.id)
    assert timeline.settling.look(at) is None
    assert len(timeline.cuts.asked) == 2


@pytest.mark.parametrize("gone", [False, True])
def test_after_a_reboot_the_version_after_a_pod_is_taken_late(timeline: Timeline, *, gone: bool) -> None:
    """Trap 3: nobody will ever unpublish."""
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    timeline.pods.ends("train", 255, "NodeLost")
    if gone:
        del timeline.pods.pods["train"]
    timeline.shelves.close()
    timeline.start()
    assert list(timeline.settling.unsettled(NAMESPACE)) == [at.__class__(at.namespace, at.name, at.uid)]
    left = timeline.settling.look(at)
    assert left is not None
    assert left > 0
    timeline.now += LEAVES_WITHIN + dt.timedelta(seconds=1)
    assert timeline.settling.look(at) is None
    version = timeline.version(after(at))
    assert version is not None
    assert version.late
    assert version.reason.exit_status == (None if gone else 255)
    assert timeline.attempt(at).status is (StepStatus.CANCELED if gone else StepStatus.FAILED)
    assert not list(timeline.settling.unsettled(NAMESPACE))
    assert "late" in timeline.notices.told[-1][2]


def test_a_pod_that_is_seen_off_in_time_has_no_late_version(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    timeline.pods.ends("train")
    assert timeline.settling.look(at) is not None
    version = timeline.leaves(at)
    timeline.now += LEAVES_WITHIN * 2
    assert timeline.settling.look(at) is None
    assert version is not None
    assert timeline.version(version.id) == version
    assert not version.late


def test_what_a_dead_timeline_has_left_half_taken_is_taken_and_is_late(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.cuts.late_errors.append(PoolElsewhere("died"))
    with pytest.raises(PoolElsewhere):
        timeline.enters(at)
    timeline.pods.runs("train")
    timeline.shelves.close()
    timeline.start()
    [seen] = timeline.settling.unsettled(NAMESPACE)
    timeline.settling.look(seen)
    version = timeline.version(before(at))
    assert version is not None
    assert (version.state, version.late) == (VersionState.READY, True)
    assert len(timeline.cuts.cuts) == 1
    assert timeline.attempt(at).before == version.id


def test_a_node_that_is_away_is_asked_again_later(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    timeline.pods.ends("train")
    timeline.settling.look(at)
    timeline.now += LEAVES_WITHIN * 2
    timeline.cuts.errors.append(PoolElsewhere("away"))
    with pytest.raises(PoolElsewhere):
        timeline.settling.look(at)
    timeline.settling.look(at)
    assert timeline.version(after(at)) is not None


def test_a_visit_whose_volumes_are_gone_ends_without_a_version(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    timeline.pods.ends("train")
    timeline.settling.look(at)
    timeline.now += LEAVES_WITHIN * 2
    timeline.cuts.errors.append(VolumeNotFound("gone"))
    assert timeline.settling.look(at) is None
    assert timeline.attempt(at).status is StepStatus.SUCCEEDED
    assert timeline.attempt(at).after is None
    assert not list(timeline.settling.unsettled(NAMESPACE))


def test_a_pod_of_which_nothing_is_written_is_done_with(timeline: Timeline) -> None:
    assert timeline.settling.look(timeline.pods.comes("other", "work")) is None
