"""Checkpoints that the pools hold and no catalogue knows: filed again when the timeline begins without its volume."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from rokcsi.model.cluster import LabelledCut
from rokcsi.model.doorkeeper import PodAtDoor
from rokcsi.model.errors import PoolElsewhere
from rokcsi.model.history import Version, VersionState
from rokcsi.model.ids import PoolId
from rokcsi.model.people import Wish
from rokcsi.model.provisioner import SaidOfGroup
from rokcsi.model.runs import RunStatus, StepStatus
from rokcsi.model.visits import PodOwner
from rokcsi.timeline.keeping import KeepingRules
from rokcsi.timeline.rebuilding import Rebuilding
from tests.fakes.visited_cluster import JOB, NAMESPACE, POOL, MemoryCuts
from tests.unit.timeline.conftest import Timeline, after, before


def rebuilding(timeline: Timeline, cuts: MemoryCuts | None = None) -> Rebuilding:
    return Rebuilding(timeline.parts, cuts or timeline.cuts, timeline.visiting, KeepingRules())


def rebuilt(timeline: Timeline) -> None:
    timeline.lose_catalogues()
    rebuilding(timeline).look()


def visited(
    timeline: Timeline, name: str, *claims: str, exit_status: int = 0, owner: PodOwner | None = JOB
) -> PodAtDoor:
    """Have a pod come, run, end and leave."""
    at = timeline.pods.comes(name, *(claims or ("work",)), owner=owner)
    timeline.enters(at, (claims or ("work",))[0])
    timeline.pods.runs(name)
    timeline.pods.ends(name, exit_status)
    timeline.leaves(at, (claims or ("work",))[0])
    return at


def as_labelled(version: Version) -> Version:
    """Give a version without what labels do not tell."""
    bare = replace(version.reason, command=(), environment={}, template=None)
    return replace(version, reason=bare, message="", author="")


def test_a_lost_catalogue_is_filled_again_from_the_pools(timeline: Timeline) -> None:
    timeline.pods.claim("data")
    trained = visited(timeline, "train", "work", "data")
    broken = visited(timeline, "evaluate", "work", exit_status=3)
    versions, [run] = timeline.versions(), timeline.runs()
    rebuilt(timeline)
    assert [as_labelled(each) for each in timeline.versions()] == [as_labelled(each) for each in versions]
    [again] = timeline.runs()
    assert (again.id, again.pipeline, again.status) == (run.id, run.pipeline, RunStatus.FAILED)
    for at, status, exit_status in ((trained, StepStatus.SUCCEEDED, 0), (broken, StepStatus.FAILED, 3)):
        attempt = timeline.attempt(at)
        assert (attempt.pod, attempt.status, attempt.exit_status) == (at.name, status, exit_status)
        assert (attempt.before, attempt.after) == (before(at), after(at))
    assert [mount.volume for mount in timeline.attempt(trained).mounts] == [
        timeline.pods.claims[name].handle for name in ("work", "data")
    ]
    assert timeline.filed[-1] == NAMESPACE


def test_what_only_a_pin_can_have_kept_is_pinned_again_and_nothing_else_is(timeline: Timeline) -> None:
    for number in range(3):
        visited(timeline, f"run-{number}", owner=PodOwner("Job", "train", f"{number:08d}"))
    pinned = timeline.versions()[1]
    timeline.shelves.of(NAMESPACE).versions.save(replace(pinned, pinned=True))
    timeline.keeping(runs=1).look(NAMESPACE)
    kept = {each.id: each.pinned for each in timeline.versions()}
    assert (len(kept), kept[pinned.id]) == (3, True)
    timeline.lose_catalogues()
    Rebuilding(timeline.parts, timeline.cuts, timeline.visiting, KeepingRules(runs=1)).look()
    timeline.keeping(runs=1).look(NAMESPACE)
    assert {each.id: each.pinned for each in timeline.versions()} == kept


def test_a_pod_that_is_still_there_goes_on_with_its_visit(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    timeline.pods.runs("train")
    timeline.begun.clear()
    rebuilt(timeline)
    assert [each.uid for each in timeline.begun] == [at.uid]
    assert timeline.attempt(at).status is StepStatus.RUNNING
    timeline.pods.ends("train")
    assert timeline.leaves(at) is not None
    assert (timeline.attempt(at).number, timeline.attempt(at).before) == (1, before(at))
    assert timeline.attempt(at).status is StepStatus.SUCCEEDED


def test_how_a_pod_that_is_gone_has_ended_is_not_made_up(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    timeline.pods.runs("train")
    timeline.leaves(at)
    del timeline.pods.pods["train"]
    rebuilt(timeline)
    attempt = timeline.attempt(at)
    assert (attempt.status, attempt.exit_status) == (StepStatus.FAILED, None)
    assert attempt.message == "how it ended is not known"


def test_a_version_that_rests_on_another_cut_comes_back_with_its_snapshots(timeline: Timeline) -> None:
    visited(timeline, "train")
    origin = timeline.versions()[-1]
    timeline.pods.claim("clone", from_snapshot=origin.members[0].snapshot)
    at = visited(timeline, "evaluate", "clone")
    resting = timeline.version(before(at))
    assert resting is not None
    assert resting.same_cut_as == origin.id
    rebuilt(timeline)
    again = timeline.version(before(at))
    assert again is not None
    assert (again.members, again.cut, again.same_cut_as) == (resting.members, resting.cut, origin.id)


def test_nothing_comes_back_that_was_removed_and_nothing_that_is_known_changes(timeline: Timeline) -> None:
    visited(timeline, "train")
    versions = timeline.versions()
    rebuilding(timeline).look()
    assert timeline.versions() == versions
    assert timeline.cuts.labelled(PoolId(POOL))
    timeline.pods.namespaces.clear()
    timeline.keeping().look(NAMESPACE)
    rebuilding(timeline).look()
    assert not timeline.versions()


def test_a_cut_that_goes_while_its_pool_is_read_is_not_filed(timeline: Timeline) -> None:
    visited(timeline, "train")

    class Going(MemoryCuts):
        def is_there(self, handle: str) -> bool:
            del handle
            return False

    going = Going(timeline.cuts.cuts, timeline.cuts.said)
    timeline.lose_catalogues()
    rebuilding(timeline, going).look()
    assert not timeline.versions()


def test_what_a_namespace_no_longer_wants_goes_as_ever(timeline: Timeline) -> None:
    visited(timeline, "train")
    timeline.pods.namespaces[NAMESPACE] = dt.datetime.now(dt.UTC)
    rebuilt(timeline)
    assert timeline.versions()
    timeline.keeping().look(NAMESPACE)
    assert not timeline.versions()
    assert not timeline.cuts.cuts


def asked_for(timeline: Timeline, wish: Wish | None = None) -> Version:
    """Have somebody ask for a checkpoint of a pod that runs."""
    timeline.pods.claim("data", said=(None,))
    timeline.pods.comes("lab-0", "work", "data")
    return timeline.asked(timeline.filed.append).take(NAMESPACE, wish or Wish("lab-0", "First", "of all", "ann"))


def test_what_was_asked_for_comes_back_with_who_asked_and_their_words(timeline: Timeline) -> None:
    visited(timeline, "train")
    version = asked_for(timeline)
    asked = timeline.asked(timeline.filed.append)
    asked.pin(NAMESPACE, version.id, pinned=True)
    rebuilt(timeline)
    bare = replace(version.reason, command=(), environment={}, template=None)
    again = timeline.version(version.id)
    assert again == replace(version, reason=bare, pinned=False)
    assert (again.author, again.title, again.message, again.parent) == ("ann", "First", "of all", version.parent)
    assert [run.id for run in timeline.runs()] == [timeline.versions()[0].object]


def test_what_was_asked_for_and_came_back_is_let_go_with_its_cut(timeline: Timeline) -> None:
    version = asked_for(timeline)
    rebuilt(timeline)
    timeline.asked(timeline.filed.append).remove(NAMESPACE, version.id)
    assert not timeline.versions()
    assert not timeline.cuts.cuts


def test_words_that_are_too_long_for_a_label_are_lost_and_the_checkpoint_is_not(timeline: Timeline) -> None:
    version = asked_for(timeline, Wish("lab-0", "First", "word " * 400, "ann"))
    rebuilt(timeline)
    [again] = timeline.versions()
    assert (again.id, again.title, again.message, again.author) == (version.id, "First", "", "ann")


def test_the_little_room_of_a_pool_on_lvm_is_enough_for_what_was_asked_for(timeline: Timeline) -> None:
    version = asked_for(timeline)
    timeline.cuts.label_bytes = 512
    rebuilt(timeline)
    [again] = timeline.versions()
    assert (again.members, again.cut_name, again.author) == (version.members, version.cut_name, "ann")


def test_what_is_undone_while_nobody_knows_of_it_does_not_come_back(timeline: Timeline) -> None:
    timeline.cuts.late_errors.append(PoolElsewhere("away"))
    with pytest.raises(PoolElsewhere):
        asked_for(timeline)
    rebuilding(timeline).look()
    assert [each.state for each in timeline.versions()] == [VersionState.TAKING]
    timeline.asked(timeline.filed.append).look(NAMESPACE)
    rebuilding(timeline).look()
    assert not timeline.versions()


@pytest.mark.parametrize(
    "wrong",
    [
        {"rok/asked": "no JSON"},
        {"rok/asked": "[1]"},
        {"rok/asked": '["../etc"]'},
        {"rok/filed": '["notebooks","lab-0","more"]'},
        {"rok/filed": '["runs","lab-0"]'},
        {"rok/reason": '["step-after","run","step",1,0]'},
    ],
)
def test_what_says_wrongly_that_it_was_asked_for_is_passed_over(timeline: Timeline, wrong: dict[str, str]) -> None:
    version = asked_for(timeline)
    said = timeline.cuts.said[version.cut_name]
    timeline.cuts.said[version.cut_name] = SaidOfGroup(said.of_volumes, {**said.of_all, **wrong})
    visited(timeline, "train")
    rebuilt(timeline)
    assert len(timeline.versions()) == 2
    assert version.id not in {each.id for each in timeline.versions()}


@pytest.mark.parametrize(
    "wrong",
    [
        {"rok/visit": "no JSON"},
        {"rok/visit": "[1,2,3,4,5]"},
        {"rok/visit": '["team-a","train","another-uid","before",0]'},
        {"rok/visit": '["../etc","train","uid-train","before",0]'},
        {"rok/resting": "{"},
        {"rok/version": '["x",1]'},
    ],
)
def test_a_cut_whose_labels_are_wrong_is_passed_over_and_harms_no_other(
    timeline: Timeline, wrong: dict[str, str]
) -> None:
    visited(timeline, "train")
    broken, whole = list(timeline.cuts.said)
    said = timeline.cuts.said[broken]
    timeline.cuts.said[broken] = SaidOfGroup(said.of_volumes, {**said.of_all, **wrong})
    rebuilt(timeline)
    assert [version.cut_name for version in timeline.versions()] == [whole]


def test_the_little_room_of_a_pool_on_lvm_is_enough(timeline: Timeline) -> None:
    at = visited(timeline, "train-4x7kq", exit_status=3)
    timeline.cuts.label_bytes = 512
    rebuilt(timeline)
    attempt = timeline.attempt(at)
    assert (attempt.exit_status, attempt.before, attempt.after) == (3, before(at), after(at))


def test_a_pool_without_room_for_labels_tells_nothing(timeline: Timeline) -> None:
    visited(timeline, "train")
    timeline.cuts.label_bytes = 60
    rebuilt(timeline)
    assert not timeline.versions()


def test_a_pool_whose_node_is_away_is_looked_through_when_it_is_back(timeline: Timeline) -> None:
    visited(timeline, "train")
    timeline.lose_catalogues()

    class Away(MemoryCuts):
        away = True

        def labelled(self, pool: PoolId, besides: Collection[str] = ()) -> Sequence[LabelledCut]:
            if self.away:
                raise PoolElsewhere("the node is away")
            return super().labelled(pool, besides)

    cuts = Away(timeline.cuts.cuts, timeline.cuts.said)
    looking = rebuilding(timeline, cuts)
    looking.look()
    assert not timeline.versions()
    cuts.away = False
    looking.look()
    assert len(timeline.versions()) == 2
    assert all(version.state is VersionState.READY for version in timeline.versions())
