"""What `rok/origin` stands for, and who may have it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import pytest

from rokcsi.model.claims import NamespacedName
from rokcsi.model.errors import InvalidRequest, RecordNotFound, SourceNotAllowed
from rokcsi.model.history import Version
from rokcsi.model.origin import Origin
from rokcsi.timeline.origins import NamespaceOrigins
from tests.fakes.visited_cluster import LONG_AGO, NAMESPACE
from tests.unit.timeline.conftest import Timeline

HERE, THERE = NamespacedName(NAMESPACE, "clone"), NamespacedName("team-b", "clone")


@dataclass
class MemoryGrants:
    granted_to: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def granted(self, owner: str, asker: str) -> bool:
        self.asked.append((owner, asker))
        return (owner, asker) in self.granted_to


@pytest.fixture
def grants() -> MemoryGrants:
    return MemoryGrants()


@pytest.fixture
def origins(timeline: Timeline, grants: MemoryGrants) -> NamespaceOrigins:
    timeline.pods.namespaces["team-b"] = LONG_AGO
    return NamespaceOrigins(timeline.shelves, timeline.pods, grants)


def taken(timeline: Timeline, *claims: str) -> Version:
    for claim in claims:
        timeline.pods.claim(claim)
    version = timeline.enters(timeline.pods.comes("train", *claims))
    assert version is not None
    return version


def url(version: Version, member: int | None = None, namespace: str = NAMESPACE) -> str:
    if member is None:
        return str(Origin.of_version(version, namespace=namespace, host="rok.example"))
    return str(Origin.of_member(version, version.members[member], namespace=namespace))


def test_a_member_is_found_by_its_address(timeline: Timeline, origins: NamespaceOrigins) -> None:
    version = taken(timeline, "work", "data")
    assert origins.snapshot_for(HERE, url(version, 0)) == version.members[0].snapshot
    assert origins.snapshot_for(HERE, url(version, 1)) == version.members[1].snapshot


def test_a_version_of_one_volume_is_that_volume(timeline: Timeline, origins: NamespaceOrigins) -> None:
    version = taken(timeline, "work")
    for text in (url(version), version.id, version.id[:8]):
        assert origins.snapshot_for(HERE, text) == version.members[0].snapshot


def test_a_version_of_several_volumes_does_not_say_which(timeline: Timeline, origins: NamespaceOrigins) -> None:
    version = taken(timeline, "work", "data")
    with pytest.raises(InvalidRequest, match=r"train-01234567_work, train-01234567_data"):
        origins.snapshot_for(HERE, url(version))


def test_another_namespace_needs_a_grant_and_is_not_looked_at_before(
    timeline: Timeline, origins: NamespaceOrigins, grants: MemoryGrants
) -> None:
    version = taken(timeline, "work")
    with pytest.raises(SourceNotAllowed, match=r"team-a.*granted nothing to team-b"):
        origins.snapshot_for(THERE, url(version, 0))
    with pytest.raises(SourceNotAllowed, match="granted nothing"):
        origins.snapshot_for(THERE, url(version, 0, "nowhere"))
    assert timeline.shelves.namespaces() == [NAMESPACE]
    grants.granted_to.add((NAMESPACE, "team-b"))
    assert origins.snapshot_for(THERE, url(version, 0)) == version.members[0].snapshot


def test_an_id_means_the_askers_own_namespace(timeline: Timeline, origins: NamespaceOrigins) -> None:
    version = taken(timeline, "work")
    with pytest.raises(RecordNotFound):
        origins.snapshot_for(THERE, version.id)


@pytest.mark.parametrize(
    "change", [("/train/", "/other/"), ("_work", "_data"), ("version=", "version=0")], ids=["bucket", "object", "id"]
)
def test_an_address_that_does_not_fit_is_refused(
    timeline: Timeline, origins: NamespaceOrigins, change: tuple[str, str]
) -> None:
    text = url(taken(timeline, "work"), 0).replace(*change)
    with pytest.raises((RecordNotFound, InvalidRequest)):
        origins.snapshot_for(HERE, text)


@pytest.mark.parametrize("text", ["", "x", "https://a/b", "../../etc/passwd", "a" * 3000, "\0" * 8])
def test_nonsense_is_refused_in_words(origins: NamespaceOrigins, text: str) -> None:
    with pytest.raises(InvalidRequest):
        origins.snapshot_for(HERE, text)


def test_the_checkpoints_of_a_former_namespace_are_nobodys(timeline: Timeline, origins: NamespaceOrigins) -> None:
    version = taken(timeline, "work")
    timeline.pods.namespaces[NAMESPACE] = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2)
    with pytest.raises(RecordNotFound):
        origins.snapshot_for(HERE, version.id)
