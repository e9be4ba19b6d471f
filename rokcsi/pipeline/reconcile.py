"""Ends what a crash left half done: called by `wiring/` whenever the catalogue is opened for work.

Only what belongs to a process that is gone is touched. A checkpoint, notebook or restore
that was not finished is undone; a run is stopped and can be resumed; a deletion is finished.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import RecordNotFound, RokcsiError
from rokcsi.model.history import Notebook, NotebookState, Task, TaskKind, TaskStatus, VersionState
from rokcsi.model.runs import Run, RunStatus
from rokcsi.pipeline.deletion import discard_run, discard_version, remove_claims, stop_pods
from rokcsi.pipeline.leg import record_canceled
from rokcsi.pipeline.notebook import dismantle
from rokcsi.pipeline.world import World

_INTERRUPTED = "interrupted: the process that was at it is gone"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Something that was half done: `kind` and `name` say what, `outcome` how it ended.

    `problem` is set where it could not be ended now; the next reconcile tries again.
    """

    kind: str
    name: str
    outcome: str
    problem: str = ""


def reconcile(world: World) -> list[Reconciled]:
    """End what was left behind; give what there was, an empty list almost always."""
    return [done for step in (_tasks, _versions, _notebooks, _runs) for done in step(world)]


def _tasks(world: World) -> Iterator[Reconciled]:
    for task in world.catalog.tasks.list(status=TaskStatus.RUNNING):
        if not world.owner.lives(task.owner):
            yield _ended(f"{task.kind} task", task.id, lambda task=task: _end_task(world, task))  # type: ignore[misc]  # bound at once


def _versions(world: World) -> Iterator[Reconciled]:
    for version in world.catalog.versions.list(VersionFilter(state=VersionState.DELETING)):
        yield _ended("version", version.id, lambda version=version: _told("removed", discard_version, world, version))  # type: ignore[misc]  # bound at once


def _notebooks(world: World) -> Iterator[Reconciled]:
    for notebook in world.catalog.notebooks.list():
        if notebook.state is NotebookState.DELETING:
            yield _ended("notebook", notebook.name, lambda one=notebook: _told("removed", dismantle, world, one))  # type: ignore[misc]  # bound at once


def _runs(world: World) -> Iterator[Reconciled]:
    for run in world.catalog.runs.list(status=RunStatus.DELETING):
        yield _ended("run", run.id, lambda run=run: _told("removed", discard_run, world, run))  # type: ignore[misc]  # bound at once
