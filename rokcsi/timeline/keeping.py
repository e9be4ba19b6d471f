"""What is kept of a namespace's checkpoints: the newest runs and what is pinned, within a number of bytes.

A run goes as a whole, oldest first, but for its pinned versions; one that has an open visit
stays. The checkpoints of a namespace that is gone go with it, pinned or not: whoever makes
a namespace of that name again must not find them.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rokcsi.model.catalog import Catalog, VersionFilter
from rokcsi.model.history import Version, VersionState
from rokcsi.model.runs import Run, StepStatus
from rokcsi.model.sizes import Bytes
from rokcsi.model.visits import Shelves, VisitedPods, VolumeCuts
from rokcsi.timeline.room import kept_bytes
from rokcsi.timeline.visiting import Visiting

LOOK_AGAIN_SECONDS = 600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeepingRules:
    """How many runs of a namespace keep their checkpoints, and of how many bytes of volumes (None: any number)."""

    runs: int = 5
    most_bytes: Bytes | None = None


class Keeping:
    """Looks at one namespace at a time."""

    def __init__(
        self, pods: VisitedPods, shelves: Shelves, cuts: VolumeCuts, visiting: Visiting, rules: KeepingRules
    ) -> None:
        self._pods = pods
        self._shelves = shelves
        self._cuts = cuts
        self._visiting = visiting
        self._rules = rules

    def look(self, namespace: str) -> float:
        """Let go what is not kept; give the seconds until the next look. Raises RosterAway, Unavailable."""
        since = self._pods.namespace_since(namespace)
        with self._visiting.alone(namespace):
            catalog = self._shelves.of(namespace)
            self._former(catalog, since)
            runs = [run for run in catalog.runs.list() if not _is_pinned(catalog, run)]
            for run in runs[: -self._rules.runs]:
                self._let_run_go(catalog, run)
            for run in runs[-self._rules.runs : -1]:
                if self._is_within_the_cap(catalog):
                    break
                self._let_run_go(catalog, run)
        return LOOK_AGAIN_SECONDS

    def let_go(self, namespace: str, version: Version) -> None:
        """Let one version go; whoever asks is alone in the namespace. Raises Unavailable."""
        self._let_go(self._shelves.of(namespace), version)

    def _former(self, catalog: Catalog, since: dt.datetime | None) -> None:
        """Let go what is of a namespace that is gone, and what a deletion that was cut short has left."""
        for version in catalog.versions.list(VersionFilter(state=None)):
            if since is None or version.created_at < since or version.state is VersionState.DELETING:
                self._let_go(catalog, version)
        for run in catalog.runs.list():
            if (since is None or run.created_at < since) and not _versions(catalog, run):
                catalog.runs.remove(run.id)

    def _is_within_the_cap(self, catalog: Catalog) -> bool:
        limit = self._rules.most_bytes
        return limit is None or kept_bytes(catalog.versions.list(VersionFilter())) < limit

    def _let_run_go(self, catalog: Catalog, run: Run) -> None:
        if _is_open(run):
            return
        for version in _versions(catalog, run):
            if not version.pinned:
                self._let_go(catalog, version)
        if not _versions(catalog, run):
            catalog.runs.remove(run.id)

    def _let_go(self, catalog: Catalog, version: Version) -> None:
        """Remove a version, and its cut with the last version that rests on it; may be repeated after a crash."""
        catalog.versions.save(replace(version, state=VersionState.DELETING))
        shared = [each for each in catalog.versions.sharing(version.cut_name) if each.id != version.id]
        if not shared and version.cut is not None:
            self._cuts.remove(version.cut)
        catalog.versions.remove(version.id)
        _log.info("let a checkpoint go", extra={"snapshot": version.id})


def _versions(catalog: Catalog, run: Run) -> Sequence[Version]:
    return catalog.versions.list(VersionFilter(run.pipeline, run.id, state=None))


def _is_pinned(catalog: Catalog, run: Run) -> bool:
    """Tell whether all that is left of a run is pinned: it is not counted among the runs that are kept."""
    versions = _versions(catalog, run)
    return bool(versions) and all(version.pinned for version in versions)


def _is_open(run: Run) -> bool:
    return any(attempt.status is StepStatus.RUNNING for step in run.steps for attempt in step.attempts)
