"""Checkpoints as VolumeSnapshots: who gets a content, who hears why not, and what becomes of one whose snapshot goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rokcsi.model.claims import NamespacedName
from rokcsi.model.history import Version
from rokcsi.model.ids import shown_alone
from rokcsi.model.origin import Origin
from rokcsi.model.requested_snapshots import content_name
from rokcsi.model.visits import PodOwner
from rokcsi.timeline.origins import NamespaceOrigins
from rokcsi.timeline.providing import Providing
from rokcsi.timeline.telling import Telling
from tests.fakes.claims import CountedPlacements, KeptNotices
from tests.fakes.visited_cluster import LONG_AGO, NAMESPACE
from tests.unit.timeline.conftest import Timeline
from tests.unit.timeline.test_origins import MemoryGrants

HERE, THERE = NamespacedName(NAMESPACE, "before-train"), NamespacedName("team-b", "before-train")


class Desk:
    """A timeline that provides snapshots, and what their owners were told."""

    def __init__(self, timeline: Timeline) -> None:
        timeline.pods.namespaces["team-b"] = LONG_AGO
        self.timeline, self.contents = timeline, timeline.contents
        self.notices, self.grants = KeptNotices(), MemoryGrants()
        origins = NamespaceOrigins(timeline.shelves, timeline.pods, self.grants)
        telling = Telling(self.notices, CountedPlacements())
        self.providing = Providing(timeline.contents, origins, timeline.visiting.alone, telling)

    def told(self) -> str:
        return " ".join(notice.text for _, notice in self.notices.written)


@pytest.fixture
def desk(timeline: Timeline) -> Desk:
    return Desk(timeline)


def taken(timeline: Timeline, run: int = 0) -> Version:
    """Have one run of one step; give the version before it."""
    at = timeline.pods.comes(f"run-{run}", "work", owner=PodOwner("Job", "train", f"{run:08d}"))
    version = timeline.enters(at)
    timeline.pods.ends(f"run-{run}")
    timeline.leaves(at)
    assert version is not None
    return version


def address(version: Version, namespace: str = NAMESPACE) -> str:
    return str(Origin.of_member(version, version.members[0], namespace=namespace))


def test_a_snapshot_of_the_checkpoints_own_namespace_gets_its_content(desk: Desk) -> None:
    version = taken(desk.timeline)
    for name, origin in ((HERE, address(version)), (replace(HERE, name="by-id"), version.id[:8])):
        assert desk.providing.look(desk.contents.write(name, origin)) is None
        assert desk.contents.handles[content_name(name)] == shown_alone(version.members[0].snapshot)
        assert desk.contents.contents[content_name(name)].of_uid == "1"
    assert not desk.notices.written


def test_another_namespaces_checkpoint_is_had_by_its_grant_only(desk: Desk) -> None:
    version = taken(desk.timeline)
    desk.contents.write(THERE, address(version))
    again = desk.providing.look(THERE)
    assert again is not None
    assert not desk.contents.contents
    assert desk.notices.reasons() == ["OriginRefused"]
    assert "granted nothing to team-b" in desk.told()
    desk.grants.granted_to.add((NAMESPACE, "team-b"))
    assert desk.providing.look(THERE) is None
    assert desk.contents.handles == {content_name(THERE): shown_alone(version.members[0].snapshot)}


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "has to say volumeSnapshotContentName: rokcsi.team-a.before-train"), ("rokcsi.team-b.x", "has to say")],
)
def test_no_content_is_made_under_a_name_that_could_be_anothers(desk: Desk, content: str, told: str) -> None:
    version = taken(desk.timeline)
    desk.providing.look(desk.contents.write(HERE, address(version), content))
    assert not desk.contents.contents
    assert told in desk.told()


def test_a_name_that_is_too_long_for_a_content_is_told_and_nothing_is_made(desk: Desk) -> None:
    name = replace(HERE, name="s" * 245)
    desk.providing.look(desk.contents.write(name, address(taken(desk.timeline))))
    assert not desk.contents.contents
    assert "too long by 6 letters" in desk.told()


@pytest.mark.parametrize(
    "origin",
    [
        "x",
        "../../etc/passwd",
        "/rok/swift/v1/../b/o?version=0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11",
        "/rok/swift/v1/%2e%2e/b/o?version=0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11",
        "/rok/swift/v1/a%2Fb/b/o?version=0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11",
        "0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11",
        "x" * 200_000,
    ],
    ids=["word", "path", "dots", "coded dots", "slash", "unknown", "long"],
)
def test_an_origin_that_cannot_be_is_refused_in_words_and_nobody_is_asked_about_it(desk: Desk, origin: str) -> None:
    desk.providing.look(desk.contents.write(HERE, origin))
    assert desk.notices.reasons() == ["OriginRefused"]
    assert len(desk.told()) < 500
    assert not desk.contents.contents
    assert not desk.grants.asked


def test_while_the_catalogue_cannot_be_read_the_snapshot_waits_and_its_owner_is_told(desk: Desk) -> None:
    version = taken(desk.timeline)
    desk.timeline.shelves.close()
    file = desk.timeline.folder / f"{NAMESPACE}.sqlite"
    whole = file.read_bytes()
    file.write_bytes(b"something else altogether" * 99)
    assert desk.providing.look(desk.contents.write(HERE, address(version))) is not None
    assert desk.notices.reasons() == ["OriginRefused"]
    assert "nothing is known of the checkpoints of the namespace team-a" in desk.told()
    file.write_bytes(whole)
    assert desk.providing.look(HERE) is None
    assert content_name(HERE) in desk.contents.handles


def test_a_content_of_something_else_is_left_alone(desk: Desk) -> None:
    version = taken(desk.timeline)
    desk.providing.look(desk.contents.write(HERE, address(version)))
    made = desk.contents.contents[content_name(HERE)]
    desk.contents.contents[made.name] = foreign = replace(made, is_ours=False, of_uid="other")
    desk.providing.look(HERE)
    assert desk.contents.contents == {made.name: foreign}
    assert "not of this snapshot" in desk.told()
    del desk.contents.snapshots[HERE]
    desk.providing.look(HERE)
    assert desk.contents.contents == {made.name: foreign}


def test_a_content_goes_with_its_snapshot_also_one_that_nobody_saw_go(desk: Desk) -> None:
    version = taken(desk.timeline)
    desk.providing.look(desk.contents.write(HERE, address(version)))
    assert list(desk.providing.left()) == [HERE]
    del desk.contents.snapshots[HERE]
    assert desk.providing.look(HERE) is None
    assert not desk.contents.contents


def test_a_later_snapshot_of_the_same_name_gets_a_content_of_its_own(desk: Desk) -> None:
    first, second = taken(desk.timeline, 0), taken(desk.timeline, 1)
    desk.providing.look(desk.contents.write(HERE, address(first)))
    desk.contents.write(HERE, address(second), uid="2")
    assert desk.providing.look(HERE) == 1.0
    assert desk.providing.look(HERE) is None
    assert desk.contents.contents[content_name(HERE)].of_uid == "2"
    assert desk.contents.handles == {content_name(HERE): shown_alone(second.members[0].snapshot)}


def test_a_snapshot_without_an_origin_and_one_that_is_leaving_get_nothing(desk: Desk) -> None:
    version = taken(desk.timeline)
    desk.providing.look(desk.contents.write(HERE, ""))
    desk.contents.write(HERE, address(version))
    desk.contents.snapshots[HERE] = replace(desk.contents.snapshots[HERE], is_leaving=True)
    desk.providing.look(HERE)
    assert not desk.contents.contents
    assert not desk.notices.written


def test_retention_keeps_a_version_that_a_snapshot_names_until_that_goes(desk: Desk) -> None:
    timeline = desk.timeline
    versions = [taken(timeline, number) for number in range(3)]
    desk.providing.look(desk.contents.write(HERE, address(versions[0])))
    timeline.keeping(runs=1).look(NAMESPACE)
    assert [run.id for run in timeline.runs()] == ["train-00000000", "train-00000002"]
    assert versions[0].id in {version.id for version in timeline.versions()}
    assert len(timeline.versions()) == len(timeline.cuts.cuts) == 3
    del desk.contents.snapshots[HERE]
    desk.providing.look(HERE)
    timeline.keeping(runs=1).look(NAMESPACE)
    assert [run.id for run in timeline.runs()] == ["train-00000002"]
    assert len(timeline.cuts.cuts) == 2


def test_what_another_namespace_holds_outlives_its_own_and_nobody_new_finds_it(desk: Desk) -> None:
    timeline, version = desk.timeline, taken(desk.timeline)
    desk.grants.granted_to.add((NAMESPACE, "team-b"))
    desk.providing.look(desk.contents.write(THERE, address(version)))
    del timeline.pods.namespaces[NAMESPACE]
    timeline.keeping().look(NAMESPACE)
    assert [each.id for each in timeline.versions()] == [version.id]
    late = replace(THERE, name="late")
    desk.providing.look(desk.contents.write(late, address(version)))
    assert "has no checkpoints" in desk.told()
    desk.contents.remove(desk.contents.contents[content_name(THERE)])
    timeline.keeping().look(NAMESPACE)
    assert not timeline.versions()
    assert not timeline.cuts.cuts


def test_the_contents_of_the_cluster_are_asked_for_only_when_something_is_to_go(timeline: Timeline) -> None:
    for number in range(3):
        taken(timeline, number)
    timeline.keeping(runs=3).look(NAMESPACE)
    assert timeline.contents.listed == 0
    timeline.keeping(runs=1).look(NAMESPACE)
    assert timeline.contents.listed == 1
