"""One namespace's catalogue cannot be read: that namespace waits, nothing of it is touched, and all others go on."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from rokcsi.model.claims import NamespacedName
from rokcsi.model.cluster import LabelledCut
from rokcsi.model.doorkeeper import PodAtDoor, Side
from rokcsi.model.errors import CatalogUnreadable
from rokcsi.model.ids import PoolId
from rokcsi.model.people import Wish
from rokcsi.timeline.keeping import KeepingRules
from rokcsi.timeline.origins import NamespaceOrigins
from rokcsi.timeline.rebuilding import Rebuilding
from tests.fakes.visited_cluster import LONG_AGO, NAMESPACE, POOL, passage
from tests.unit.timeline.conftest import Timeline
from tests.unit.timeline.test_origins import MemoryGrants

BROKEN = "team-b"
GARBAGE = b"no database, and long enough to be looked at " * 100


def visited(timeline: Timeline, name: str) -> PodAtDoor:
    """Have a pod of the namespace that is whole come, run, end and leave."""
    at = timeline.pods.comes(name, "work")
    timeline.enters(at)
    timeline.pods.ends(name)
    timeline.leaves(at)
    return at


def damaged(timeline: Timeline, namespace: str) -> Path:
    """Have a namespace's catalogue damaged, as a timeline that begins finds it."""
    timeline.shelves.close()
    timeline.pods.namespaces[namespace] = LONG_AGO
    path = timeline.folder / f"{namespace}.sqlite"
    path.write_bytes(GARBAGE)
    timeline.start()
    return path


def test_pods_of_that_namespace_are_refused_with_an_event_and_others_are_served(timeline: Timeline) -> None:
    path = damaged(timeline, BROKEN)
    at = timeline.pods.comes("train-b", "work", namespace=BROKEN)
    with pytest.raises(CatalogUnreadable, match=r"namespace team-b, which stay where they are: .*not a database"):
        timeline.enters(at)
    with pytest.raises(CatalogUnreadable):
        timeline.leaves(at)
    assert timeline.notices.reasons() == ["CheckpointFailed"] * 2
    assert not timeline.cuts.asked
    visited(timeline, "evaluate")
    assert len(timeline.versions()) == 2
    assert path.read_bytes() == GARBAGE


def test_a_pod_that_wants_no_checkpoint_comes_and_goes_there(timeline: Timeline) -> None:
    damaged(timeline, BROKEN)
    timeline.pods.claim("plain", said=(None,))
    at = timeline.pods.comes("plain", "plain", namespace=BROKEN)
    assert timeline.visiting.enters(passage(at, Side.BEFORE, "plain")) == ""
    assert timeline.visiting.leaves(passage(at, Side.AFTER, "plain")) == ""
    assert not timeline.notices.told


def test_people_are_told_so_there_and_nothing_is_cut(timeline: Timeline) -> None:
    visited(timeline, "train")
    [version, _] = timeline.versions()
    damaged(timeline, NAMESPACE)
    asked = timeline.asked(timeline.filed.append)
    timeline.pods.comes("lab-0", "work")
    cuts = len(timeline.cuts.asked)
    for deed in (
        lambda: asked.take(NAMESPACE, Wish("lab-0")),
        lambda: asked.versions(NAMESPACE),
        lambda: asked.version(NAMESPACE, version.id),
        lambda: asked.remove(NAMESPACE, version.id),
        lambda: asked.pin(NAMESPACE, version.id, pinned=True),
    ):
        with pytest.raises(CatalogUnreadable, match="finds in the documentation how it is mended"):
            deed()
    assert len(timeline.cuts.asked) == cuts
    origins = NamespaceOrigins(timeline.parts.shelves, timeline.pods, MemoryGrants())
    with pytest.raises(CatalogUnreadable):
        origins.snapshot_for(NamespacedName(NAMESPACE, "again"), version.id)


def test_its_cuts_stay_and_are_found_again_when_the_file_was_moved_away(timeline: Timeline) -> None:
    visited(timeline, "train")
    versions, cuts = timeline.versions(), dict(timeline.cuts.cuts)
    path = damaged(timeline, NAMESPACE)
    rebuilding = Rebuilding(timeline.parts, timeline.cuts, timeline.visiting, KeepingRules())
    for _ in range(2):
        rebuilding.look()
    with pytest.raises(CatalogUnreadable):
        timeline.keeping(runs=1).look(NAMESPACE)
    assert (path.read_bytes(), timeline.cuts.cuts) == (GARBAGE, cuts)
    path.rename(path.with_suffix(".damaged"))
    rebuilding.look()
    assert [(each.id, each.members) for each in timeline.versions()] == [(each.id, each.members) for each in versions]
    assert timeline.filed[-1] == NAMESPACE


def test_one_that_is_damaged_while_the_timeline_works_is_filled_again_as_well(timeline: Timeline) -> None:
    visited(timeline, "train")
    versions = timeline.versions()
    rebuilding = Rebuilding(timeline.parts, timeline.cuts, timeline.visiting, KeepingRules())
    rebuilding.look()
    timeline.shelves.close()
    path = timeline.folder / f"{NAMESPACE}.sqlite"
    path.write_bytes(GARBAGE)
    rebuilding.look()
    path.unlink()
    rebuilding.look()
    assert [each.id for each in timeline.versions()] == [each.id for each in versions]


def test_its_cuts_are_not_asked_for_again_and_again_meanwhile(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited(timeline, "train")
    damaged(timeline, NAMESPACE)
    reads: list[PoolId] = []
    labelled = timeline.cuts.labelled

    def counted(pool: PoolId, besides: Collection[str]) -> Sequence[LabelledCut]:
        reads.append(pool)
        return labelled(pool, besides)

    monkeypatch.setattr(timeline.cuts, "labelled", counted)
    rebuilding = Rebuilding(timeline.parts, timeline.cuts, timeline.visiting, KeepingRules())
    for _ in range(3):
        rebuilding.look()
    assert reads == [PoolId(POOL)]


def test_a_pool_that_holds_some_of_both_gives_back_what_is_of_the_other(timeline: Timeline) -> None:
    timeline.pods.namespaces[BROKEN] = LONG_AGO
    other = timeline.pods.comes("train-b", "work", namespace=BROKEN)
    assert timeline.visiting.enters(passage(other, Side.BEFORE, "work"))
    visited(timeline, "train")
    versions = timeline.versions()
    timeline.lose_catalogues()
    path = damaged(timeline, BROKEN)
    Rebuilding(timeline.parts, timeline.cuts, timeline.visiting, KeepingRules()).look()
    assert [each.id for each in timeline.versions()] == [each.id for each in versions]
    assert path.read_bytes() == GARBAGE


def test_which_one_it_is_is_logged_and_counted_once_and_taken_back(
    timeline: Timeline, caplog: pytest.LogCaptureFixture
) -> None:
    path = damaged(timeline, BROKEN)
    with caplog.at_level(logging.INFO, "rokcsi.timeline.noted_shelves"):
        for _ in range(2):
            with pytest.raises(CatalogUnreadable):
                timeline.parts.shelves.of(BROKEN)
        assert timeline.unreadable == [BROKEN]
        path.unlink()
        timeline.parts.shelves.of(BROKEN)
    assert not timeline.unreadable
    assert [(each.levelname, each.__dict__["namespace"]) for each in caplog.records] == [
        ("ERROR", BROKEN),
        ("INFO", BROKEN),
    ]
