"""Keeps a task's record true while its deed goes on, whatever ends it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rokcsi.model.errors import RokcsiError
from rokcsi.model.history import Task, TaskKind, TaskStatus
from rokcsi.pipeline.progress import Listener, TaskChanged
from rokcsi.pipeline.world import World


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What a task makes, and the bucket and object it is shown under."""

    kind: TaskKind
    bucket: str
    object: str
    subject: str


class Progress:
    """One task that runs: says how far it is, to the catalogue and to the listener."""

    def __init__(self, world: World, task: Task, listener: Listener) -> None:
        self._world, self._listener = world, listener
        self.task = task

    def reached(self, percent: int, message: str) -> None:
        """Note the progress; it never goes back."""
        self._save(progress=max(self.task.progress, min(percent, 100)), message=message)

    def ended(self, status: TaskStatus, message: str) -> None:
        """Note the end; a success is at 100."""
        progress = 100 if status is TaskStatus.SUCCESS else self.task.progress
        self._save(status=status, progress=progress, message=message)

    def _save(self, **changes: object) -> None:
        self.task = dataclasses.replace(self.task, updated_at=self._world.now(), **changes)  # type: ignore[arg-type]  # the callers are above
        self._world.catalog.tasks.save(self.task)
        self._listener.hear(TaskChanged(self.task))


@contextmanager
def following(world: World, subject: Subject, listener: Listener) -> Iterator[Progress]:
    """Add a task and follow the deed in the `with` block to its end: success, error, or canceled by Ctrl-C.

    The deed may name its end itself, with `ended`.
    """
    progress = Progress(world, _new(world, subject), listener)
    world.catalog.tasks.add(progress.task)
    try:
        progress.reached(1, "started")
        yield progress
    except Exception as error:
        progress.ended(TaskStatus.ERROR, str(error) or type(error).__name__)
        raise
    except BaseException:
        progress.ended(TaskStatus.CANCELED, "canceled")
        raise
    if not progress.task.status.ended:
        progress.ended(TaskStatus.SUCCESS, "done")


def _new(world: World, subject: Subject) -> Task:
    now = world.now()
    return Task(
        id=str(uuid.uuid4()),
        kind=subject.kind,
        bucket=subject.bucket,
        object=subject.object,
        subject=subject.subject,
        created_at=now,
        updated_at=now,
        status=TaskStatus.RUNNING,
        owner=world.owner.name,
    )


@contextmanager
def undone_on_failure(undo: Callable[[], None]) -> Iterator[None]:
    """Call `undo` when the `with` block fails or is interrupted; what it cannot undo, `reconcile` will."""
    try:
        yield
    except BaseException as failure:
        try:
            undo()
        except RokcsiError as error:
            failure.add_note(f"what was half made could not be removed yet ({error}); the next command tries again")
        raise
