"""Forgetting versions and runs: the record is marked first and removed last, so that a repetition finishes."""

from __future__ import annotations

import dataclasses
from functools import partial

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    NotSupported,
    OutOfRange,
    OutOfSpace,
    RecordNotFound,
    StillInUse,
)
from rokcsi.model.history import Version, VersionState
from rokcsi.model.runs import Run, RunStatus
from rokcsi.pipeline.letting_go import let_go
from rokcsi.pipeline.names import RUN_LABEL
from rokcsi.pipeline.world import World

# After these a cut was not made: it is all or none.
_FINAL = (NotFound, Conflict, InvalidRequest, OutOfRange, OutOfSpace, NotSupported)


def delete_version(world: World, id: str) -> None:
    """Remove a version and its snapshots; volumes cloned from it live on.

    Raises RecordNotFound, and StillInUse when it is pinned, or a run that is going on was started from it.
    """
    version = world.catalog.versions.get(id)
    if version.state is VersionState.TAKING:
        raise StillInUse(f"version {id} is being taken at this moment; wait until that is over")
    if version.pinned:
        raise StillInUse(f"version {id} is pinned; unpin it first")
    for run in world.catalog.runs.list(status=RunStatus.RUNNING):
        if run.origin == id or version.object == run.id:
            raise StillInUse(f"version {id} belongs to run {run.id}, which is going on; wait for its end")
    discard_version(world, version)


def discard_version(world: World, version: Version) -> None:
    """Remove a version in whatever state it is; may be repeated after a crash."""
    let_go(world.catalog, version, partial(_remove_cut, world))
    if version.task is not None and version.state is not VersionState.TAKING:
        world.catalog.tasks.remove(version.task)


def delete_run(world: World, id: str) -> None:
    """Remove a run with its pods, volumes and versions; the checkpoint of the notebook that began it stays.

    Raises RecordNotFound, and StillInUse while it is going on.
    """
    run = _known_run(world, id)
    if run.status is RunStatus.RUNNING and run_is_alive(world, run):
        raise StillInUse(f"run {id} is going on; stop it with Ctrl-C where it was started, or wait for its end")
    discard_run(world, run)


def discard_run(world: World, run: Run) -> None:
    """Remove a run in whatever state it is; may be repeated after a crash."""
    pinned = [version for version in versions_of(world, run) if version.pinned]
    if pinned:
        raise StillInUse(f"run {run.id} has the pinned version {pinned[0].id}; unpin it first")
    world.catalog.runs.save(dataclasses.replace(run, status=RunStatus.DELETING))
    stop_pods(world, run)
    for version in versions_of(world, run):
        discard_version(world, version)
    remove_claims(world, run)
    world.catalog.runs.remove(run.id)
    for task in world.catalog.tasks.list(bucket=run.pipeline):
        if task.object == run.id:  # one for each leg, and those of checkpoints that failed
            world.catalog.tasks.remove(task.id)


def run_is_alive(world: World, run: Run) -> bool:
    """Tell whether the process that runs it is still there."""
    if run.task is None:
        return False
    try:
        task = world.catalog.tasks.get(run.task)
    except RecordNotFound:
        return False
    return not task.status.ended and world.owner.lives(task.owner)


def versions_of(world: World, run: Run) -> list[Version]:
    """Give all versions filed under a run, whatever their state, the oldest first."""
    return list(world.catalog.versions.list(VersionFilter(run.pipeline, run.id, state=None)))


def stop_pods(world: World, run: Run) -> None:
    """End the run's pods and take their mounts away."""
    for pod in world.cluster.pods():
        if pod.spec.labels.get(RUN_LABEL) == run.id:
            world.cluster.delete_pod(pod.name)


def remove_claims(world: World, run: Run, *, keep: frozenset[str] = frozenset()) -> None:
    """Remove the run's volumes: those that its record names, and those that carry its label."""
    labelled = {claim.name for claim in world.cluster.claims() if claim.labels.get(RUN_LABEL) == run.id}
    for name in sorted({volume.claim for volume in run.volumes} | labelled):
        if name not in keep:
            world.cluster.delete_claim(name)


def _remove_cut(world: World, version: Version) -> None:
    if (cut := version.cut or _cut_of(world, version)) is not None:
        world.cluster.delete_cut(cut)


def _cut_of(world: World, version: Version) -> str | None:
    """Give the handle of a cut that may have been made just before a crash: its name gives it again."""
    try:
        return world.cluster.cut(version.cut_name, version.claims).handle
    except _FINAL:
        return None


def _known_run(world: World, id: str) -> Run:
    try:
        return world.catalog.runs.get(id)
    except RecordNotFound as error:
        raise RecordNotFound(f"there is no run {id[:60]!r}; `rokctl get runs` lists them") from error
