"""A timeline over a cluster in memory and catalogues in files, put together as `wiring/` does."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rokcsi.catalog.namespaces import NamespaceCatalogs
from rokcsi.catalog.opening import open_catalog
from rokcsi.catalog.sql import SqlCatalog
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.doorkeeper import PodAtDoor, Side
from rokcsi.model.history import Version
from rokcsi.model.runs import Attempt, Run
from rokcsi.model.visits import version_at_door
from rokcsi.timeline.announcing import Announcing
from rokcsi.timeline.asked import Asked, AskedParts
from rokcsi.timeline.delay import Part
from rokcsi.timeline.keeping import Keeping, KeepingParts, KeepingRules
from rokcsi.timeline.noted_shelves import NotedShelves
from rokcsi.timeline.room import Room, RoomRules
from rokcsi.timeline.settling import Settling
from rokcsi.timeline.taking import Taking
from rokcsi.timeline.visiting import Visiting, VisitParts
from rokcsi.timeline.witness import Witness
from tests.fakes.snapshot_contents import MemoryContents
from tests.fakes.visited_cluster import LONG_AGO, NAMESPACE, MemoryCuts, MemoryNotices, MemoryPods, passage


class CopiedCatalogs(NamespaceCatalogs):
    """New catalogues are copies of an empty one: to make one from nothing takes a third of a second."""

    empty: Path | None = None

    def of(self, namespace: str) -> SqlCatalog:
        path = self._folder / f"{namespace}.sqlite"
        if self.empty is not None and not path.exists():
            shutil.copyfile(self.empty, path)
        return super().of(namespace)


@pytest.fixture(scope="session", autouse=True)
def empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> None:
    CopiedCatalogs.empty = tmp_path_factory.mktemp("catalog") / "empty.sqlite"
    open_catalog(CopiedCatalogs.empty).close()


@dataclass
class Timeline:
    """The parts, and short words for what a test asks of them."""

    folder: Path
    pods: MemoryPods = field(default_factory=MemoryPods)
    cuts: MemoryCuts = field(default_factory=MemoryCuts)
    notices: MemoryNotices = field(default_factory=MemoryNotices)
    contents: MemoryContents = field(default_factory=MemoryContents)
    waits: list[tuple[Side, Part, float]] = field(default_factory=list)
    room: RoomRules = field(default_factory=RoomRules)
    began: dt.datetime = LONG_AGO
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    begun: list[PodAtDoor] = field(default_factory=list)
    filed: list[str] = field(default_factory=list)
    since: dt.datetime | None = LONG_AGO
    unreadable: list[str] = field(default_factory=list)
    shelves: NamespaceCatalogs = field(init=False)
    parts: VisitParts = field(init=False)
    visiting: Visiting = field(init=False)
    settling: Settling = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin as a new process would."""
        clock = iter([self.began])
        announcing = Announcing(self.notices)
        self.shelves = CopiedCatalogs(self.folder)
        self.parts = VisitParts(
            self.pods,
            NotedShelves(self.shelves, self),
            Taking(self.cuts),
            Room(self.cuts, self.room, announcing),
            announcing,
            Witness(lambda: next(clock, dt.datetime.now(dt.UTC))),
            self.begun.append,
            self.filed.append,
            self,
        )
        self.visiting = Visiting(self.parts)
        self.settling = Settling(self.pods, self.visiting, lambda: self.now)

    def lose_catalogues(self) -> None:
        """Begin as a new process would whose volume is empty."""
        self.shelves.close()
        shutil.rmtree(self.folder)
        self.start()

    def keeping(self, **rules: object) -> Keeping:
        """Give retention with these rules."""
        made = KeepingRules(**rules)  # type: ignore[arg-type]  # the rules' own fields
        return Keeping(KeepingParts(self.pods, self.parts.shelves, self.cuts, self.contents), self.visiting, made)

    def asked(self, unclear: Callable[[str], None], **rules: object) -> Asked:
        """Give what people ask, beside retention with these rules."""
        room = Room(self.cuts, self.room, Announcing(self.notices))
        keeping = self.keeping(**rules)
        return Asked(AskedParts(self.pods, self.parts.shelves, self.cuts, room, self.visiting, keeping, unclear))

    def waited(self, side: Side, part: Part, seconds: float) -> None:
        self.waits.append((side, part, seconds))

    def catalog_unreadable(self, namespace: str) -> None:
        self.unreadable.append(namespace)

    def catalog_readable(self, namespace: str) -> None:
        self.unreadable.remove(namespace)

    def enters(self, at: PodAtDoor, claim: str = "work") -> Version | None:
        return self.version(self.visiting.enters(passage(at, Side.BEFORE, claim, self.since)))

    def leaves(self, at: PodAtDoor, claim: str = "work") -> Version | None:
        return self.version(self.visiting.leaves(passage(at, Side.AFTER, claim, self.since)))

    def version(self, id: str) -> Version | None:
        return self.shelves.of(NAMESPACE).versions.get(id) if id else None

    def versions(self) -> list[Version]:
        return list(self.shelves.of(NAMESPACE).versions.list(VersionFilter(state=None)))

    def runs(self) -> list[Run]:
        return list(self.shelves.of(NAMESPACE).runs.list())

    def attempt(self, at: PodAtDoor) -> Attempt:
        visit = self.visiting.book(NAMESPACE).visit_of(at.uid)
        assert visit is not None
        return visit.attempt


@pytest.fixture
def timeline(tmp_path: Path) -> Iterator[Timeline]:
    made = Timeline(tmp_path / "catalogs")
    made.pods.claim("work")
    yield made
    made.shelves.close()


def before(at: PodAtDoor) -> str:
    return version_at_door(at.uid, Side.BEFORE)


def after(at: PodAtDoor) -> str:
    return version_at_door(at.uid, Side.AFTER)
