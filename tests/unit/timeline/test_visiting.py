"""Checkpoints at both ends of a pod's visit: whose, what is filed, and what is done when something is in the way."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from typing import Any

import pytest

from rokcsi.model.deadline import Deadline, current_deadline, deadline
from rokcsi.model.doorkeeper import Side
from rokcsi.model.errors import CheckpointFailed, PoolElsewhere, RosterAway, VolumeNotFound
from rokcsi.model.history import ReasonKind, VersionState
from rokcsi.model.runs import Run, RunStatus, StepStatus
from rokcsi.model.sizes import Bytes
from rokcsi.timeline.room import RoomRules
from tests.fakes.visited_cluster import LONG_AGO, NAMESPACE, TEMPLATE, handle, passage
from tests.unit.timeline.conftest import Timeline, after, before


def test_a_visit_leaves_a_version_before_and_one_after_it(timeline: Timeline) -> None:
    timeline.pods.claim("data")
    at = timeline.pods.comes("train-1", "work", "data")
    first = timeline.enters(at)
    timeline.pods.runs("train-1")
    timeline.pods.ends("train-1", 3, "Error")
    second = timeline.leaves(at, "data")
    assert first is not None
    assert second is not None
    assert (first.id, second.id) == (before(at), after(at))
    assert (first.state, first.reason.kind) == (VersionState.READY, ReasonKind.STEP_BEFORE)
    assert (first.bucket, first.object) == ("train", "train-01234567")
    assert [(m.object, m.claim, m.mount_path) for m in first.members] == [
        ("train-01234567_work", "work", "/work"),
        ("train-01234567_data", "data", "/data"),
    ]
    assert (first.reason.run, first.reason.step, first.reason.attempt) == ("train-01234567", "train-1", 1)
    assert first.reason.environment == {"EPOCHS": "3"}
    assert first.reason.template == second.reason.template == TEMPLATE
    assert first.reason.exit_status is None
    assert second.reason.exit_status == 3
    assert second.parent == first.id
    assert second.title == "After step 'train-1': exit status 3"
    assert not first.late
    assert not second.late
    attempt = timeline.attempt(at)
    assert (attempt.before, attempt.after, attempt.status) == (first.id, second.id, StepStatus.FAILED)
    assert attempt.message == "Error"
    assert timeline.runs()[0].status is RunStatus.FAILED
    assert timeline.notices.reasons() == ["CheckpointTaken"] * 2
    assert first.id in timeline.notices.told[0][2]


def test_all_volumes_that_want_it_are_cut_at_one_instant_and_no_other(timeline: Timeline) -> None:
    timeline.pods.claim("data")
    timeline.pods.claim("scratch", said=(None, "none", "steps", "steps"))
    at = timeline.pods.comes("train-1", "work", "data", "scratch")
    timeline.enters(at)
    assert timeline.cuts.asked == [("checkpoint-uid-train-1-before", (handle("work"), handle("data")))]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ((None, None, None, None), False),
        (("steps", "none", "none", "none"), True),
        (("none", "steps", "steps", "steps"), False),
        ((None, "steps", None, None), True),
        ((None, None, "steps", None), True),
        ((None, None, None, "steps"), True),
        ((None, "none", None, "steps"), False),
        ((None, "always", None, "steps"), True),
    ],
)
def test_the_nearest_that_speaks_is_heard(timeline: Timeline, said: tuple[str | None, ...], *, wanted: bool) -> None:
    timeline.pods.claim("work", said=said)
    at = timeline.pods.comes("train-1", "work")
    assert (timeline.enters(at) is not None) is wanted
    assert (timeline.leaves(at) is not None) is wanted
    assert bool(timeline.cuts.asked) is wanted
    assert bool(timeline.shelves.namespaces()) is wanted


def test_the_same_passage_asked_again_is_answered_as_before(timeline: Timeline) -> None:
    at = timeline.pods.comes("train-1", "work")
    first = timeline.enters(at)
    timeline.pods.runs("train-1")
    assert timeline.enters(at) == first
    timeline.shelves.close()
    timeline.start()
    assert timeline.enters(at) == first
    timeline.pods.ends("train-1")
    second = timeline.leaves(at)
    assert timeline.leaves(at) == second
    assert len(timeline.cuts.asked) == 2
    assert len(timeline.versions()) == 2


def test_a_retry_is_a_new_pod_and_the_next_attempt(timeline: Timeline) -> None:
    labels = {"job-name": "train", "controller-uid": "0123456789"}
    for number in (1, 2, 3):
        at = timeline.pods.comes(f"train-{number}", "work", labels=labels)
        first = timeline.enters(at)
        timeline.pods.ends(f"train-{number}", exit_status=3 - number)
        second = timeline.leaves(at)
        assert first is not None
        assert second is not None
        assert (first.reason.attempt, second.reason.attempt) == (number, number)
    [run] = timeline.runs()
    assert [attempt.number for attempt in run.steps[0].attempts] == [1, 2, 3]
    assert run.status is RunStatus.SUCCEEDED


def test_a_retry_takes_no_number_of_an_attempt_that_is_kept(timeline: Timeline) -> None:
    book = timeline.visiting.book(NAMESPACE)
    at = timeline.pods.comes("train-1", "work", uid="second")
    timeline.enters(at)
    known = timeline.attempt(at)
    timeline.shelves.of(NAMESPACE).runs.remove(timeline.runs()[0].id)
    again = dataclasses.replace(known, number=2, status=StepStatus.FAILED)
    book.found_again(Run("train-01234567", "train", "", LONG_AGO), "train-1", again)  # the first one was not
    timeline.enters(timeline.pods.comes("train-1", "work", uid="third"))
    attempts = timeline.runs()[0].steps[0].attempts
    assert [(each.number, each.pod_uid) for each in attempts] == [(2, "second"), (3, "third")]


def test_another_pod_of_the_same_name_is_not_the_one_that_was_asked_for(timeline: Timeline) -> None:
    at = timeline.pods.comes("train-1", "work", uid="old")
    timeline.pods.comes("train-1", "work", uid="new")
    assert timeline.enters(at) is None
    assert not timeline.cuts.asked


def test_a_pod_deleted_midway_was_aborted_and_has_its_version_all_the_same(timeline: Timeline) -> None:
    for name, gone in (("a", True), ("b", False)):
        at = timeline.pods.comes(name, "work")
        timeline.enters(at)
        timeline.pods.ends(name, 137, leaving=True)
        if gone:
            del timeline.pods.pods[name]
        version = timeline.leaves(at)
        assert version is not None
        assert timeline.attempt(at).status is StepStatus.CANCELED
        assert "aborted" in version.message


def test_the_link_to_the_version_after_a_step_is_known_while_it_runs(timeline: Timeline) -> None:
    at = timeline.pods.comes("train-1", "work")
    link = after(at)
    timeline.enters(at)
    timeline.pods.ends("train-1")
    version = timeline.leaves(at)
    assert version is not None
    assert version.id == link


def test_a_pod_that_was_not_met_in_time_is_told_so_and_has_a_version_after_it(timeline: Timeline) -> None:
    at = timeline.pods.comes("train-1", "work")
    timeline.pods.ends("train-1")
    version = timeline.leaves(at)
    assert version is not None
    assert version.parent is None
    assert timeline.attempt(at).before is None
    assert timeline.notices.reasons() == ["CheckpointMissed", "CheckpointTaken"]


def test_no_version_before_a_pod_is_taken_once_its_containers_have_run(timeline: Timeline) -> None:
    at = timeline.pods.comes("train-1", "work")
    timeline.pods.runs("train-1")
    assert timeline.enters(at) is None
    assert not timeline.cuts.asked
    assert timeline.notices.reasons() == ["CheckpointMissed"]


def test_a_cut_that_comes_after_the_asker_has_gone_on_is_late(timeline: Timeline) -> None:
    at = timeline.pods.comes("train-1", "work")
    there = iter([True])  # it gets its turn, and then gives up
    with deadline(Deadline(caller_is_there=lambda: next(there, False))):
        version = timeline.enters(at)
    assert version is not None
    assert version.late
    assert timeline.notices.told[0][3]


@pytest.mark.parametrize("made", [False, True])
def test_a_cut_of_which_nothing_is_known_is_asked_for_again_by_its_name(timeline: Timeline, *, made: bool) -> None:
    at = timeline.pods.comes("train-1", "work")
    (timeline.cuts.late_errors if made else timeline.cuts.errors).append(PoolElsewhere("the node is away"))
    with pytest.raises(PoolElsewhere):
        timeline.enters(at)
    [half] = timeline.versions()
    assert half.state is VersionState.TAKING
    version = timeline.enters(at)
    assert version is not None
    assert version.state is VersionState.READY
    assert len({name for name, _ in timeline.cuts.asked}) == 1
    assert len(timeline.cuts.cuts) == 1


def test_a_cut_that_is_refused_leaves_no_version_and_says_why(timeline: Timeline) -> None:
    at = timeline.pods.comes("train-1", "work")
    timeline.cuts.errors.append(VolumeNotFound("there is no volume"))
    with pytest.raises(VolumeNotFound):
        timeline.enters(at)
    assert not timeline.versions()
    assert timeline.notices.reasons() == ["CheckpointFailed"]
    assert "there is no volume" in timeline.notices.told[0][2]


def test_a_cluster_that_does_not_answer_is_no_answer(timeline: Timeline) -> None:
    at = timeline.pods.comes("train-1", "work")
    timeline.pods.error = RosterAway("the API is away")
    with pytest.raises(RosterAway):
        timeline.enters(at)


def test_an_owner_who_cannot_be_told_does_without(timeline: Timeline) -> None:
    timeline.notices.error = CheckpointFailed("no events today")
    assert timeline.enters(timeline.pods.comes("train-1", "work")) is not None


def test_none_are_taken_where_the_pool_is_too_full(timeline: Timeline) -> None:
    at = timeline.pods.comes("train-1", "work")
    timeline.cuts.used = 0.71
    assert timeline.enters(at) is None
    timeline.pods.ends("train-1")
    assert timeline.leaves(at) is None
    assert timeline.notices.reasons() == ["CheckpointsStopped"] * 2
    assert "71%" in timeline.notices.told[0][2]
    assert timeline.attempt(at).status is StepStatus.SUCCEEDED
    timeline.cuts.used = 0.70
    assert timeline.enters(timeline.pods.comes("train-2", "work")) is not None


def test_none_are_taken_where_the_namespace_keeps_its_fill(timeline: Timeline) -> None:
    timeline.room = RoomRules(most_bytes=Bytes(2 << 30))
    timeline.shelves.close()
    timeline.start()
    at = timeline.pods.comes("train-1", "work")
    assert timeline.enters(at) is not None
    timeline.pods.ends("train-1")
    assert timeline.leaves(at) is not None
    assert timeline.enters(timeline.pods.comes("train-2", "work")) is None
    assert timeline.notices.reasons()[-1] == "CheckpointsStopped"


def test_a_driver_of_kfp_is_let_in_and_out_without(timeline: Timeline) -> None:
    at = timeline.pods.comes("driver", "work", labels={"pipelines.kubeflow.org/runtime-role": "driver"})
    assert timeline.enters(at) is None
    assert timeline.leaves(at) is None


def test_a_forged_handle_is_cut_for_nobody(timeline: Timeline) -> None:
    timeline.pods.claim("forged")
    forged = dataclasses.replace(timeline.pods.claims["forged"], handle="../../etc")
    timeline.pods.claims["forged"] = forged
    at = timeline.pods.comes("train-1", "forged")
    assert timeline.visiting.enters(dataclasses.replace(passage(at, Side.BEFORE, "x"), volume="../../etc")) == ""
    assert not timeline.cuts.asked


class TestTheNextStepComesBeforeTheLastHasGone:
    """Trap 1."""

    def test_one_that_has_ended_gets_the_same_cut_as_its_after(self, timeline: Timeline) -> None:
        first = timeline.pods.comes("load", "work")
        timeline.enters(first)
        timeline.pods.ends("load", 0)
        second = timeline.pods.comes("train", "work")
        version = timeline.enters(second)
        shared = timeline.version(after(first))
        assert version is not None
        assert shared is not None
        assert len(timeline.cuts.asked) == 2
        assert (shared.same_cut_as, shared.cut_name) == (version.id, version.cut_name)
        assert shared.members[0].snapshot == version.members[0].snapshot
        assert (shared.reason.kind, shared.reason.exit_status) == (ReasonKind.STEP_AFTER, 0)
        assert not shared.late
        assert not version.concurrent_steps
        assert timeline.leaves(first) == shared
        assert len(timeline.cuts.asked) == 2
        assert timeline.attempt(first).after == shared.id

    def test_one_that_runs_is_named_and_names_the_other(self, timeline: Timeline) -> None:
        first = timeline.pods.comes("load", "work")
        timeline.enters(first)
        timeline.pods.runs("load")
        second = timeline.pods.comes("train", "work")
        version = timeline.enters(second)
        assert version is not None
        assert version.concurrent_steps == ("load",)
        timeline.pods.runs("train")
        timeline.pods.ends("load")
        gone = timeline.leaves(first)
        assert gone is not None
        assert gone.concurrent_steps == ("train",)
        assert "at the same time" in timeline.notices.told[-1][2]
        timeline.pods.ends("train")
        last = timeline.leaves(second)
        assert last is not None
        assert not last.concurrent_steps

    def test_one_with_other_volumes_besides_gets_a_cut_of_its_own(self, timeline: Timeline) -> None:
        timeline.pods.claim("data")
        first = timeline.pods.comes("load", "work", "data")
        timeline.enters(first)
        timeline.pods.ends("load")
        timeline.enters(timeline.pods.comes("train", "work"))
        shared = timeline.version(after(first))
        assert shared is not None
        assert shared.same_cut_as is None
        assert len(shared.members) == 2

    def test_one_that_is_gone_without_a_word_gets_a_late_one(self, timeline: Timeline) -> None:
        first = timeline.pods.comes("load", "work")
        timeline.enters(first)
        del timeline.pods.pods["load"]
        timeline.enters(timeline.pods.comes("train", "work"))
        shared = timeline.version(after(first))
        assert shared is not None
        assert shared.late
        assert timeline.attempt(first).status is StepStatus.CANCELED

    def test_steps_on_other_volumes_have_nothing_to_do_with_it(self, timeline: Timeline) -> None:
        timeline.pods.claim("data")
        first = timeline.pods.comes("load", "data")
        timeline.enters(first, "data")
        timeline.pods.runs("load")
        version = timeline.enters(timeline.pods.comes("train", "work"))
        assert version is not None
        assert not version.concurrent_steps


class TestWhatCannotHaveChangedIsNotCutAgain:
    """Trap 6."""

    def origin(self, timeline: Timeline) -> str:
        """Have a version of `work`; give its snapshot."""
        at = timeline.pods.comes("first", "work")
        version = timeline.enters(at)
        timeline.pods.ends("first")
        timeline.leaves(at)
        assert version is not None
        timeline.cuts.asked.clear()
        return version.members[0].snapshot

    def test_the_before_of_a_fresh_clone_is_its_origin(self, timeline: Timeline) -> None:
        snapshot = self.origin(timeline)
        timeline.pods.claim("clone", from_snapshot=snapshot)
        at = timeline.pods.comes("train", "clone")
        version = timeline.enters(at, "clone")
        assert version is not None
        assert not timeline.cuts.asked
        assert version.members[0].snapshot == snapshot
        assert version.members[0].claim == "clone"
        assert version.parent == version.same_cut_as

    @pytest.mark.parametrize("why", ["another pod was there", "nobody told of all pods", "the timeline is younger"])
    def test_a_clone_that_may_have_been_written_to_is_cut(self, timeline: Timeline, why: str) -> None:
        snapshot = self.origin(timeline)
        timeline.pods.claim("clone", from_snapshot=snapshot, said=(None,))
        if why == "another pod was there":
            earlier = timeline.pods.comes("unseen", "clone")
            assert timeline.enters(earlier, "clone") is None
            assert timeline.leaves(earlier, "clone") is None
        elif why == "nobody told of all pods":
            timeline.since = None
        else:
            timeline.began = dt.datetime.now(dt.UTC)
            timeline.shelves.close()
            timeline.start()
        timeline.pods.claim("clone", from_snapshot=snapshot)
        assert timeline.enters(timeline.pods.comes("train", "clone"), "clone") is not None
        assert len(timeline.cuts.asked) == 1

    def test_the_after_of_a_pod_that_only_read_is_its_before(self, timeline: Timeline) -> None:
        self.origin(timeline)
        at = timeline.pods.comes("report", "work", readonly=True)
        first = timeline.enters(at)
        assert first is not None
        # What was cut long ago is beyond doubt whatever the clocks say.
        old = dataclasses.replace(first, created_at=first.created_at + dt.timedelta(minutes=5))
        timeline.shelves.of(NAMESPACE).versions.save(old)
        timeline.pods.ends("report")
        version = timeline.leaves(at)
        assert version is not None
        assert version.same_cut_as == first.id
        assert len(timeline.cuts.asked) == 1

    def test_the_after_of_a_pod_that_only_read_beside_a_writer_is_cut(self, timeline: Timeline) -> None:
        self.origin(timeline)
        timeline.pods.claim("work", said=(None,))
        writer = timeline.pods.comes("writer", "work")
        assert timeline.enters(writer) is None
        timeline.pods.claim("work")
        at = timeline.pods.comes("report", "work", readonly=True)
        first = timeline.enters(at)
        assert first is not None
        timeline.pods.ends("report")
        version = timeline.leaves(at)
        assert version is not None
        assert version.same_cut_as is None


def test_a_pods_owner_hears_of_a_checkpoint_also_when_the_time_for_it_is_over(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell, left = timeline.notices.tell, []

    def told(*arguments: Any, **keywords: Any) -> None:
        left.append(current_deadline().remaining_seconds())
        tell(*arguments, **keywords)

    monkeypatch.setattr(timeline.notices, "tell", told)
    with deadline(Deadline(time.monotonic() - 1.0)):
        timeline.enters(timeline.pods.comes("train-1", "work"))
    assert timeline.notices.reasons() == ["CheckpointTaken"]
    assert left[0]
