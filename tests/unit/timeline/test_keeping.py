"""What is kept of a namespace's checkpoints, and what goes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading

import pytest

from rokcsi.model.errors import PoolElsewhere
from rokcsi.model.history import VersionState
from rokcsi.model.sizes import Bytes
from rokcsi.model.visits import PodOwner
from rokcsi.timeline import keeping as module
from rokcsi.timeline.keeping import LOOK_AGAIN_SECONDS
from tests.fakes.patience import eventually
from tests.fakes.visited_cluster import NAMESPACE
from tests.unit.timeline.conftest import Timeline

GIB = 1 << 30


def run(timeline: Timeline, number: int) -> None:
    """Have one run of one step on the claim `work`."""
    at = timeline.pods.comes(f"run-{number}", "work", owner=PodOwner("Job", "train", f"{number:08d}"))
    timeline.enters(at)
    timeline.pods.ends(f"run-{number}")
    timeline.leaves(at)


def pin(timeline: Timeline, position: int) -> str:
    version = timeline.versions()[position]
    timeline.shelves.of(NAMESPACE).versions.save(dataclasses.replace(version, pinned=True))
    return version.id


def kept(timeline: Timeline) -> list[str]:
    return [run.id for run in timeline.runs()]


def test_the_newest_runs_stay_and_the_others_go_with_their_cuts(timeline: Timeline) -> None:
    for number in range(4):
        run(timeline, number)
    timeline.keeping(runs=2).look(NAMESPACE)
    assert kept(timeline) == ["train-00000002", "train-00000003"]
    assert len(timeline.versions()) == len(timeline.cuts.cuts) == 4


def test_what_is_pinned_stays_and_does_not_count(timeline: Timeline) -> None:
    for number in range(3):
        run(timeline, number)
    pinned = pin(timeline, 1)
    timeline.keeping(runs=1).look(NAMESPACE)
    assert kept(timeline) == ["train-00000000", "train-00000002"]
    assert pinned in {version.id for version in timeline.versions()}
    assert len(timeline.versions()) == 3
    run(timeline, 3)
    timeline.keeping(runs=1).look(NAMESPACE)
    assert kept(timeline) == ["train-00000000", "train-00000003"]


def test_a_run_with_a_pod_on_its_volumes_stays(timeline: Timeline) -> None:
    at = timeline.pods.comes("slow", "work", owner=PodOwner("Job", "train", "00000000"))
    timeline.enters(at)
    timeline.pods.runs("slow")
    for number in (1, 2):
        run(timeline, number)
    timeline.keeping(runs=1).look(NAMESPACE)
    assert kept(timeline) == ["train-00000000", "train-00000002"]


def test_a_cut_goes_with_the_last_version_that_rests_on_it(timeline: Timeline) -> None:
    first = timeline.pods.comes("load", "work", owner=PodOwner("Job", "load", "00000000"))
    timeline.enters(first)
    timeline.pods.ends("load")
    run(timeline, 1)  # its `before` is the `after` of load
    timeline.keeping(runs=1).look(NAMESPACE)
    assert kept(timeline) == ["train-00000001"]
    names = {version.cut_name for version in timeline.versions()}
    assert names == set(timeline.cuts.cuts)


def test_the_oldest_runs_go_until_the_rest_is_within_the_bytes(timeline: Timeline) -> None:
    for number in range(4):
        run(timeline, number)
    timeline.keeping(runs=9, most_bytes=Bytes(5 * GIB)).look(NAMESPACE)
    assert kept(timeline) == ["train-00000002", "train-00000003"]
    timeline.keeping(runs=9, most_bytes=Bytes(1)).look(NAMESPACE)
    assert kept(timeline) == ["train-00000003"]  # the newest is never taken away for its size


def test_a_deletion_that_was_cut_short_is_finished(timeline: Timeline) -> None:
    for number in range(2):
        run(timeline, number)
    remove = timeline.cuts.remove

    def fails(handle: str) -> None:
        del handle
        raise PoolElsewhere("away")

    timeline.cuts.remove = fails  # type: ignore[method-assign]  # the node goes away in the middle
    with pytest.raises(PoolElsewhere):
        timeline.keeping(runs=1).look(NAMESPACE)
    assert [version.state for version in timeline.versions()].count(VersionState.DELETING) == 1
    timeline.cuts.remove = remove  # type: ignore[method-assign]  # and comes back
    timeline.keeping(runs=1).look(NAMESPACE)
    assert kept(timeline) == ["train-00000001"]
    assert len(timeline.cuts.cuts) == 2


def test_deleting_a_claim_takes_no_checkpoint_away(timeline: Timeline) -> None:
    run(timeline, 0)
    del timeline.pods.claims["work"]
    timeline.keeping().look(NAMESPACE)
    assert len(timeline.versions()) == 2


def test_a_namespace_takes_its_checkpoints_with_it_pinned_or_not(timeline: Timeline) -> None:
    run(timeline, 0)
    pin(timeline, 0)
    del timeline.pods.namespaces[NAMESPACE]
    timeline.keeping().look(NAMESPACE)
    assert not timeline.cuts.cuts
    assert not timeline.versions()
    assert not timeline.runs()


def test_of_a_namespace_that_is_gone_no_catalogue_is_left_and_nobody_looks_again(timeline: Timeline) -> None:
    at = timeline.pods.comes("train", "work")
    timeline.enters(at)
    del timeline.pods.namespaces[NAMESPACE]
    assert timeline.keeping().look(NAMESPACE) is None
    assert timeline.settling.look(at) is None
    assert not list(timeline.folder.iterdir())
    timeline.pods.namespaces[NAMESPACE] = dt.datetime.now(dt.UTC)
    run(timeline, 1)
    assert timeline.keeping().look(NAMESPACE) == LOOK_AGAIN_SECONDS
    assert kept(timeline) == ["train-00000001"]


def test_a_pod_that_comes_while_many_versions_go_has_its_turn_between_them(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TURN_SECONDS", 0.0)
    for number in range(3):
        run(timeline, number)
    coming, remove, through = threading.Thread(target=run, args=(timeline, 9)), timeline.cuts.remove, []

    def removed(handle: str) -> None:
        remove(handle)
        if not coming.ident:
            coming.start()
            eventually(lambda: vars(timeline.visiting)["_turns"].waiting == 1)
        through.append("train-00000009" in kept(timeline))

    monkeypatch.setattr(timeline.cuts, "remove", removed)
    timeline.keeping(runs=1).look(NAMESPACE)
    coming.join()
    assert through[0] is False
    assert through[1:] == [True] * (len(through) - 1)
    assert len(through) > 1


@pytest.mark.parametrize("gone", [False, True])
def test_what_is_half_taken_goes_only_when_its_cut_is_known(timeline: Timeline, *, gone: bool) -> None:
    timeline.cuts.late_errors = [PoolElsewhere("away")]
    at = timeline.pods.comes("half", "work", owner=PodOwner("Job", "train", "00000000"))
    with pytest.raises(PoolElsewhere):
        timeline.enters(at)
    timeline.pods.ends("half")
    timeline.leaves(at)
    run(timeline, 1)
    if gone:
        del timeline.pods.namespaces[NAMESPACE]
    keeping = timeline.keeping(runs=1)
    keeping.look(NAMESPACE)
    assert VersionState.TAKING in {version.state for version in timeline.versions()}
    timeline.settling.look(at)
    keeping.look(NAMESPACE)
    assert kept(timeline) == ([] if gone else ["train-00000001"])
    assert set(timeline.cuts.cuts) == {version.cut_name for version in timeline.versions()}


def test_a_catalogue_stays_while_something_of_its_namespace_does(timeline: Timeline) -> None:
    run(timeline, 0)
    del timeline.pods.namespaces[NAMESPACE]
    timeline.contents.handles = {version.id: version.members[0].snapshot for version in timeline.versions()}
    assert timeline.keeping().look(NAMESPACE) == LOOK_AGAIN_SECONDS
    assert len(timeline.versions()) == 2


def test_a_new_namespace_of_the_same_name_does_not_inherit(timeline: Timeline) -> None:
    run(timeline, 0)
    timeline.pods.namespaces[NAMESPACE] = dt.datetime.now(dt.UTC)
    run(timeline, 1)
    timeline.keeping().look(NAMESPACE)
    assert kept(timeline) == ["train-00000001"]
    assert len(timeline.versions()) == 2


def test_a_namespace_that_comes_back_while_it_is_asked_for_keeps_what_it_has_then(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    del timeline.pods.namespaces[NAMESPACE]
    asked = timeline.pods.namespace_since

    def comes_back() -> None:
        timeline.pods.namespaces[NAMESPACE] = dt.datetime.now(dt.UTC)
        run(timeline, 1)

    coming = threading.Thread(target=comes_back)

    def since(name: str) -> dt.datetime | None:
        answer = asked(name)
        coming.start()
        coming.join(1.0)
        return answer

    monkeypatch.setattr(timeline.pods, "namespace_since", since)
    timeline.keeping().look(NAMESPACE)
    coming.join()
    assert len(timeline.versions()) == 2
