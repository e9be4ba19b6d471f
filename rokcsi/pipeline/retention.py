"""Forgets old checkpoints and runs by rule: first the plan, to be looked at, then the deed.

A version of a notebook goes alone; a run goes as a whole, with its versions and volumes, so
that what is left of a run can always be resumed. Kept in any case are pinned versions, those
that a present notebook was restored from, those that a kept run was cloned from, and
whatever is being made at the moment.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import InvalidRequest, RecordNotFound
from rokcsi.model.history import Version
from rokcsi.model.runs import Run, RunStatus
from rokcsi.pipeline.deletion import delete_run, delete_version, versions_of
from rokcsi.pipeline.world import World

_OLDEST = dt.timedelta(days=36525)


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """What may go; at least one of the three is set.

    Versions: beyond the newest `keep_versions` of each object. Runs: beyond the newest
    `keep_runs` of each pipeline. Of these only what is older than `older_than`, where that
    is set; set alone, it decides of both kinds. A kind whose number is None while the other's
    is set stays whole.
    """

    keep_versions: int | None = None
    keep_runs: int | None = None
    older_than: dt.timedelta | None = None

    def __post_init__(self) -> None:
        if self.keep_versions is None and self.keep_runs is None and self.older_than is None:
            raise InvalidRequest(
                "say what to keep: the last checkpoints (keep-last), runs (keep-runs), or what is not older than an age (older-than)"
            )
        if min(self.keep_versions or 0, self.keep_runs or 0) < 0:
            raise InvalidRequest("a number of versions or runs to keep cannot be negative")
        if self.older_than is not None and self.older_than < dt.timedelta():
            raise InvalidRequest("an age cannot be negative")
        if self.older_than is not None and self.older_than > _OLDEST:
            raise InvalidRequest("an age cannot be more than a hundred years")


@dataclass(frozen=True, slots=True)
class Kept:
    """A version or run (`name` is its id) that a rule would remove, and why it stays."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What a rule would remove now, and what it leaves in spite of the rule."""

    versions: tuple[Version, ...]
    runs: tuple[Run, ...]
    kept: tuple[Kept, ...]


def plan(world: World, rule: RetentionRule) -> RetentionPlan:
    """Say what the rule would remove; changes nothing."""
    runs = world.catalog.runs.list()
    reasons = _reasons_to_stay(world, runs)
    doomed_runs, kept_runs = _split_runs(world, _runs_due(world, runs, rule), reasons)
    staying = {run.origin for run in runs if run not in doomed_runs}
    kept, doomed = list(kept_runs), []
    for version in _versions_due(world, runs, rule):
        why = reasons.get(version.id) or ("a run was cloned from it" if version.id in staying else None)
        if why is None:
            doomed.append(version)
        else:
            kept.append(Kept(version.id, why))
    return RetentionPlan(tuple(doomed), tuple(doomed_runs), tuple(kept))


def carry_out(world: World, wanted: RetentionPlan) -> None:
    """Remove what a plan names; what is gone already is passed over, so that a repetition finishes."""
    for run in wanted.runs:
        try:
            delete_run(world, run.id)
        except RecordNotFound:
            continue
    for version in wanted.versions:
        try:
            delete_version(world, version.id)
        except RecordNotFound:
            continue


def _due(world: World, rule: RetentionRule, keep: int | None, ages: Sequence[dt.datetime]) -> int:
    """Give how many of the oldest a rule removes, of things created at `ages`, the oldest first."""
    if keep is None and rule.older_than is None:
        return 0
    beyond = len(ages) if keep is None else max(0, len(ages) - keep)
    if rule.older_than is None:
        return beyond
    limit = world.now() - rule.older_than
    return sum(created < limit for created in ages[:beyond])


def _runs_due(world: World, runs: Iterable[Run], rule: RetentionRule) -> list[Run]:
    if rule.keep_runs is None and rule.keep_versions is not None:
        return []
    pipelines: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        pipelines[run.pipeline].append(run)
    return [
        run
        for those in pipelines.values()
        for run in those[: _due(world, rule, rule.keep_runs, [run.created_at for run in those])]
    ]


def _versions_due(world: World, runs: Iterable[Run], rule: RetentionRule) -> list[Version]:
    if rule.keep_versions is None and rule.keep_runs is not None:
        return []
    of_runs = {(run.pipeline, run.id) for run in runs}
    objects: dict[tuple[str, str], list[Version]] = defaultdict(list)
    for version in world.catalog.versions.list(VersionFilter()):
        if (version.bucket, version.object) not in of_runs:
            objects[version.bucket, version.object].append(version)
    return [
        version
        for those in objects.values()
        for version in those[: _due(world, rule, rule.keep_versions, [version.created_at for version in those])]
    ]


def _reasons_to_stay(world: World, runs: Iterable[Run]) -> dict[str, str]:
    """Give, by version, why it stays whatever the rule says."""
    reasons = {version.id: "it is pinned" for version in world.catalog.versions.list(VersionFilter()) if version.pinned}
    for run in runs:
        if run.status is RunStatus.RUNNING and run.origin is not None:
            reasons[run.origin] = f"run {run.id} is going on"
    for notebook in world.catalog.notebooks.list():
        if notebook.restored_from is not None:
            reasons[notebook.restored_from] = f"notebook {notebook.name!r} was restored from it"
    return reasons


def _split_runs(world: World, due: Iterable[Run], reasons: dict[str, str]) -> tuple[list[Run], list[Kept]]:
    """Part the runs that are due into those that go and those that stay."""
    go: list[Run] = []
    stay: list[Kept] = []
    for run in due:
        held = [version.id for version in versions_of(world, run) if version.id in reasons]
        if run.status is RunStatus.RUNNING:
            stay.append(Kept(run.id, "it is going on"))
        elif held:
            stay.append(Kept(run.id, f"its version {held[0]}: {reasons[held[0]]}"))
        else:
            go.append(run)
    return go, stay
