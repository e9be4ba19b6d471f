"""Ends what a crash left half done: called by `wiring/` whenever the catalogue is opened for work.

Only what belongs to a process that is gone is touched. A checkpoint, notebook or restore
that was not finished is undone; a run is stopped and can be resumed; a deletion is finished.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import RecordNotFound, RokcsiError
from rokcsi.model.history import NotebookState, Task, TaskKind, TaskStatus, VersionState
from rokcsi.model.runs import ClonedVolume, Run, RunStatus
from rokcsi.pipeline.deletion import discard_run, discard_version, remove_claims, stop_pods
from rokcsi.pipeline.leg import record_canceled
from rokcsi.pipeline.notebook import dismantle
from rokcsi.pipeline.world import World

R = TypeVar("R")
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


@dataclass(frozen=True, slots=True)
class _Leftover:
    kind: str
    name: str
    end: Callable[[], str]


def reconcile(world: World) -> list[Reconciled]:
    """End what was left behind; give what there was, an empty list almost always."""
    return [_reconciled(leftover) for find in (_tasks, _versions, _notebooks, _runs) for leftover in find(world)]


def _reconciled(leftover: _Leftover) -> Reconciled:
    try:
        return Reconciled(leftover.kind, leftover.name, leftover.end())
    except RecordNotFound:
        return Reconciled(leftover.kind, leftover.name, "ended by another process")
    except RokcsiError as error:
        return Reconciled(leftover.kind, leftover.name, "left as it is", str(error))
    except Exception as error:  # noqa: BLE001 - one record that nothing can end must not block every command
        return Reconciled(leftover.kind, leftover.name, "left as it is", f"{type(error).__name__}: {error}")


def _tasks(world: World) -> Iterator[_Leftover]:
    for task in world.catalog.tasks.list(status=TaskStatus.RUNNING):
        if not world.owner.lives(task.owner):
            yield _Leftover(f"{task.kind} task", task.subject, partial(_end_task, world, task))


def _versions(world: World) -> Iterator[_Leftover]:
    for version in world.catalog.versions.list(VersionFilter(state=VersionState.DELETING)):
        yield _Leftover("version", version.id, partial(_removed, discard_version, world, version))


def _notebooks(world: World) -> Iterator[_Leftover]:
    for notebook in world.catalog.notebooks.list():
        if notebook.state is NotebookState.DELETING:
            yield _Leftover("notebook", notebook.name, partial(_removed, dismantle, world, notebook))


def _runs(world: World) -> Iterator[_Leftover]:
    for run in world.catalog.runs.list(status=RunStatus.DELETING):
        yield _Leftover("run", run.id, partial(_removed, discard_run, world, run))


def _removed(remove: Callable[[World, R], None], world: World, record: R) -> str:
    remove(world, record)
    return "removed"


def _end_task(world: World, task: Task) -> str:
    """End what the task was making, then the task itself."""
    finished = _ENDS[task.kind](world, task)
    status = TaskStatus.SUCCESS if finished else TaskStatus.ERROR
    message = "done" if finished else _INTERRUPTED
    progress = 100 if finished else task.progress
    ended = dataclasses.replace(task, status=status, message=message, progress=progress, updated_at=world.now())
    world.catalog.tasks.save(ended)
    return (
        "had been finished" if finished else "undone" if task.kind is not TaskKind.RUN else "stopped; it can be resumed"
    )


def _end_checkpoint(world: World, task: Task) -> bool:
    """Remove a version that was not finished; tell whether it had been."""
    try:
        version = world.catalog.versions.get(task.subject)
    except RecordNotFound:
        return False
    if version.state is not VersionState.READY:
        discard_version(world, version)
    return version.state is VersionState.READY


def _end_notebook(world: World, task: Task) -> bool:
    """Remove a notebook that was not finished; tell whether it had been."""
    notebooks = {notebook.name: notebook for notebook in world.catalog.notebooks.list() if notebook.task == task.id}
    notebook = notebooks.get(task.subject)
    if notebook is None:
        return False
    if notebook.state is not NotebookState.READY:
        dismantle(world, notebook)
    return notebook.state is NotebookState.READY


def _end_run(world: World, task: Task) -> bool:
    """Stop a run; its checkpoints stay, and its volumes where all of them had been cloned."""
    try:
        run = world.catalog.runs.get(task.subject)
    except RecordNotFound:
        return False
    if run.status is not RunStatus.RUNNING or run.task != task.id:
        return run.status is RunStatus.SUCCEEDED and run.task == task.id
    stop_pods(world, run)
    standing = {claim.name for claim in world.cluster.claims()}
    whole = all(volume.claim in standing for volume in run.volumes)
    remove_claims(world, run, keep=frozenset(volume.claim for volume in run.volumes if whole))
    record_canceled(world, run, _INTERRUPTED)
    world.catalog.runs.save(_stopped(world, run, run.volumes if whole else ()))
    return False


def _stopped(world: World, run: Run, volumes: tuple[ClonedVolume, ...]) -> Run:
    now = world.now()
    return dataclasses.replace(run, status=RunStatus.FAILED, message=_INTERRUPTED, finished_at=now, volumes=volumes)


_ENDS: Mapping[TaskKind, Callable[[World, Task], bool]] = {
    TaskKind.CHECKPOINT: _end_checkpoint,
    TaskKind.CREATE_NOTEBOOK: _end_notebook,
    TaskKind.RESTORE: _end_notebook,
    TaskKind.RUN: _end_run,
}
