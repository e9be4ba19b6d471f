"""What is kept of a namespace's checkpoints: the newest runs and what is pinned, within a number of bytes.

A run goes as a whole, oldest first, but for its pinned versions; one that has an open visit,
or a version that is half taken, stays. What a VolumeSnapshotContent names is kept as long as it does: the cluster has said of it
that it can be restored, maybe to another namespace. The checkpoints of a namespace that is gone go with it, pinned or not: whoever makes
a namespace of that name again must not find them.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rokcsi.model.catalog import Catalog, VersionFilter
from rokcsi.model.errors import StillInUse
from rokcsi.model.history import Version, VersionState
from rokcsi.model.requested_snapshots import NamedHandles
from rokcsi.model.runs import Run, StepStatus
from rokcsi.model.sizes import Bytes
from rokcsi.model.visits import Shelves, VisitedPods, VolumeCuts
from rokcsi.pipeline.letting_go import let_go
from rokcsi.timeline.room import kept_bytes
from rokcsi.timeline.visiting import Visiting

LOOK_AGAIN_SECONDS = 600.0
_TURN_SECONDS = 1.0  # pods that wait for their turn in the namespace wait ten, and go without a checkpoint then
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeepingRules:
    """How many runs of a namespace keep their checkpoints, and of how many bytes of volumes (None: any number)."""

    runs: int = 5
    most_bytes: Bytes | None = None


@dataclass(frozen=True, slots=True)
class KeepingParts:
    """Who is asked what there is, and what is in use; `contents` are those of the whole cluster."""

    pods: VisitedPods
    shelves: Shelves
    cuts: VolumeCuts
    contents: NamedHandles


class _TurnIsOver(Exception):
    """Pods may be waiting for their turn; there is more to let go after them."""


class _Shelf:
    """A namespace's catalogue for one turn, and which of its versions somebody holds: asked once, and only if something is to go."""

    def __init__(self, catalog: Catalog, contents: NamedHandles) -> None:
        self.catalog = catalog
        self._named: Callable[[], Collection[str]] = functools.cache(contents.named)
        self._until: float | None = None

    def begin_another(self) -> None:
        """Be called before each version that goes; raise _TurnIsOver where that has gone on for a while."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + _TURN_SECONDS
        elif now >= self._until:
            raise _TurnIsOver

    def holds(self, version: Version) -> bool:
        """Tell whether a content names a snapshot of a version; what is half deleted is held by nobody."""
        if version.state is VersionState.DELETING or not version.members:
            return False
        return any(member.snapshot in self._named() for member in version.members)


class Keeping:
    """Looks at one namespace at a time."""

    def __init__(self, parts: KeepingParts, visiting: Visiting, rules: KeepingRules) -> None:
        self._parts = parts
        self._visiting = visiting
        self._rules = rules

    def look(self, namespace: str) -> float | None:
        """Let go what is not kept; give the seconds until the next look, None where nothing is left of a namespace.

        Raises RosterAway, Unavailable.
        """
        while True:
            with self._visiting.alone(namespace), suppress(_TurnIsOver):
                return self._looked(namespace)

    def let_go(self, namespace: str, version: Version) -> None:
        """Let one version go; whoever asks is alone in the namespace. Raises StillInUse, RosterAway, Unavailable."""
        shelf = _Shelf(self._parts.shelves.of(namespace), self._parts.contents)
        if shelf.holds(version):
            raise StillInUse(f"version {version.id} is held as a VolumeSnapshot; delete that first")
        self._let_go(shelf, version)

    def _looked(self, namespace: str) -> float | None:
        """Do what `look` does, in one turn; raise _TurnIsOver where there is more to do."""
        # Asked only now: one that has come back while others had their turn is not gone.
        since = self._parts.pods.namespace_since(namespace)
        shelf = _Shelf(self._parts.shelves.of(namespace), self._parts.contents)
        self._former(shelf, since)
        if since is None and not shelf.catalog.versions.list(VersionFilter(state=None)):
            self._parts.shelves.remove(namespace)
            return None
        runs = counted_runs(shelf.catalog)
        for run in runs[: -self._rules.runs]:
            self._let_run_go(shelf, run)
        for run in runs[-self._rules.runs : -1]:
            if self._is_within_the_cap(shelf.catalog):
                break
            self._let_run_go(shelf, run)
        return LOOK_AGAIN_SECONDS

    def _former(self, shelf: _Shelf, since: dt.datetime | None) -> None:
        """Let go what is of a namespace that is gone, and what a deletion that was cut short has left."""
        catalog = shelf.catalog
        for version in catalog.versions.list(VersionFilter(state=None)):
            if version.state is VersionState.TAKING:
                continue  # whoever began it finds out whether there is a cut: without its handle it would stay
            if since is None or version.created_at < since or version.state is VersionState.DELETING:
                self._let_go(shelf, version)
        for run in catalog.runs.list():
            if (since is None or run.created_at < since) and not versions_of(catalog, run):
                catalog.runs.remove(run.id)

    def _is_within_the_cap(self, catalog: Catalog) -> bool:
        limit = self._rules.most_bytes
        return limit is None or kept_bytes(catalog.versions.list(VersionFilter())) < limit

    def _let_run_go(self, shelf: _Shelf, run: Run) -> None:
        versions = versions_of(shelf.catalog, run)
        if _is_open(run) or any(version.state is VersionState.TAKING for version in versions):
            return
        for version in versions:
            if not version.pinned:
                self._let_go(shelf, version)
        if not versions_of(shelf.catalog, run):
            shelf.catalog.runs.remove(run.id)

    def _let_go(self, shelf: _Shelf, version: Version) -> None:
        """Remove a version that nobody holds, and its cut with the last that rests on it; may be repeated after a crash."""
        if shelf.holds(version):
            return
        shelf.begin_another()
        let_go(shelf.catalog, version, self._remove_cut)
        _log.info("let a checkpoint go", extra={"snapshot": version.id})

    def _remove_cut(self, version: Version) -> None:
        if version.cut is not None:
            self._parts.cuts.remove(version.cut)


def counted_runs(catalog: Catalog) -> Sequence[Run]:
    """Give the runs that are counted, the oldest first: not those of which all that is left is pinned."""
    return [run for run in catalog.runs.list() if not _is_pinned(catalog, run)]


def versions_of(catalog: Catalog, run: Run) -> Sequence[Version]:
    """Give all versions of a run, whatever their state."""
    return catalog.versions.list(VersionFilter(run.pipeline, run.id, state=None))


def _is_pinned(catalog: Catalog, run: Run) -> bool:
    versions = versions_of(catalog, run)
    return bool(versions) and all(version.pinned for version in versions)


def _is_open(run: Run) -> bool:
    return any(attempt.status is StepStatus.RUNNING for step in run.steps for attempt in step.attempts)
