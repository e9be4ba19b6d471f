"""The catalogue: where versions, tasks, notebooks and runs are remembered.

Its life: a task is added before its deed begins, and with it the record of what it will
make, in a state that says so (`taking`, `creating`, `running`). Progress saves the task;
success saves the record as ready; deletion saves it as `deleting` first and removes it last.
So whoever opens the catalogue after a crash finds what was half done, and ends it.

Several processes may use one catalogue at once. Each call is one transaction: all of it is
remembered, or none. Records are frozen; `save` stores the whole one given. Asking for what
is not there raises RecordNotFound, adding what is there RecordExists; removing what is gone
does nothing. Lists are ordered by age, the oldest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rokcsi.model.history import Bucket, FileObject, Notebook, Task, TaskStatus, Version, VersionState
from rokcsi.model.runs import Attempt, FiledAttempt, Run, RunStatus, Step, StepStatus


@dataclass(frozen=True, slots=True)
class VersionFilter:
    """Which versions to list; what is None does not restrict. Only ready ones, unless `state` says otherwise."""

    bucket: str | None = None
    object: str | None = None
    run: str | None = None
    state: VersionState | None = VersionState.READY


class Versions(Protocol):
    """The checkpoints."""

    def add(self, version: Version) -> None:
        """File a version; its bucket and object are made when missing."""

    def save(self, version: Version) -> None:
        """Store a version that was added before."""

    def get(self, id: str) -> Version:
        """Give one version, whatever its state."""

    def find(self, prefix: str) -> Version:
        """Give the one ready version whose id begins so; raise RecordNotFound, or InvalidRequest when several do."""

    def list(self, which: VersionFilter) -> Sequence[Version]:
        """Give the versions that match."""

    def sharing(self, cut_name: str) -> Sequence[Version]:
        """Give all versions that rest on one cut, whatever their state."""

    def remove(self, id: str) -> None:
        """Forget a version; an object without versions goes with it."""


class Buckets(Protocol):
    """Where versions are filed."""

    def create(self, name: str) -> Bucket:
        """Make a bucket, or give the one that is there."""

    def get(self, name: str) -> Bucket:
        """Give one bucket."""

    def list(self) -> Sequence[Bucket]:
        """Give all buckets, ordered by name."""

    def objects(self, bucket: str) -> Sequence[FileObject]:
        """Give the objects in a bucket; raise RecordNotFound for an unknown one."""

    def remove(self, name: str) -> None:
        """Forget an empty bucket; raise StillInUse when it holds objects."""


class Tasks(Protocol):
    """The long operations."""

    def add(self, task: Task) -> None:
        """Record a task before its deed begins."""

    def save(self, task: Task) -> None:
        """Store a task's progress."""

    def get(self, id: str) -> Task:
        """Give one task."""

    def list(self, *, bucket: str | None = None, status: TaskStatus | None = None) -> Sequence[Task]:
        """Give the tasks that match."""

    def remove(self, id: str) -> None:
        """Forget a task."""


class Notebooks(Protocol):
    """The notebooks."""

    def add(self, notebook: Notebook) -> None:
        """Record a notebook."""

    def save(self, notebook: Notebook) -> None:
        """Store a notebook that was added before."""

    def get(self, name: str) -> Notebook:
        """Give one notebook, whatever its state."""

    def list(self) -> Sequence[Notebook]:
        """Give all notebooks."""

    def remove(self, name: str) -> None:
        """Forget a notebook."""


class Runs(Protocol):
    """The runs with their steps and attempts; steps are saved one by one, since threads run them."""

    def add(self, run: Run) -> None:
        """Record a run and its steps."""

    def save(self, run: Run) -> None:
        """Store a run's own fields; its steps stay as they are."""

    def save_step(self, run: str, step: Step) -> None:
        """Store a step's own fields, or add it after the others; its attempts stay as they are."""

    def save_attempt(self, run: str, step: str, attempt: Attempt) -> None:
        """Store an attempt, or add it."""

    def get(self, id: str) -> Run:
        """Give one run with all its steps and attempts."""

    def list(self, *, pipeline: str | None = None, status: RunStatus | None = None) -> Sequence[Run]:
        """Give the runs that match."""

    def attempts(self, *, pod_uid: str | None = None, status: StepStatus | None = None) -> Sequence[FiledAttempt]:
        """Give the attempts that match, of whatever run."""

    def remove(self, id: str) -> None:
        """Forget a run with its steps and attempts."""


class Catalog(Protocol):
    """See the module's story."""

    @property
    def buckets(self) -> Buckets:
        """Where versions are filed."""

    @property
    def versions(self) -> Versions:
        """The checkpoints."""

    @property
    def tasks(self) -> Tasks:
        """The long operations."""

    @property
    def notebooks(self) -> Notebooks:
        """The notebooks."""

    @property
    def runs(self) -> Runs:
        """The runs."""

    def close(self) -> None:
        """Give the database back."""
