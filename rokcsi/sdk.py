"""What a notebook imports: checkpoints, runs and restores of this machine's notebooks, in Python.

    import rokcsi.sdk as rok

    session = rok.connect()
    notebook = session.create_notebook("titanic", {"workspace": "./project", "data": "./data"})
    version = session.checkpoint(notebook, message="before the new features")
    run = session.run("pipeline.yaml", notebook=notebook)
    again = session.restore(version, name="titanic-again")

`rokctl` calls the same methods. Where a method takes a notebook, a version or a run, the
thing itself, its name, its id, the first 6 digits of one or a URL will do. Every error is
one of `rokcsi.model.errors`; a wrong kind of argument is an InvalidRequest, too. A session
may be used as a context; it holds nothing open but the catalogue and the socket.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from rokcsi.model.filesystems import DEFAULT_FILESYSTEM
from rokcsi.model.history import Notebook, Version
from rokcsi.model.runs import Run
from rokcsi.model.sizes import Bytes
from rokcsi.pipeline import checkpoint as taking
from rokcsi.pipeline import definition as files
from rokcsi.pipeline import deletion, retention
from rokcsi.pipeline import notebook as notebooks
from rokcsi.pipeline import rebuild as rebuilding
from rokcsi.pipeline import restore as restoring
from rokcsi.pipeline import resume as resuming
from rokcsi.pipeline import run as running
from rokcsi.pipeline.checkpoint import Words
from rokcsi.pipeline.definition import PipelineDefinition
from rokcsi.pipeline.notebook import NewNotebook, NewNotebookVolume
from rokcsi.pipeline.progress import SILENT, Listener
from rokcsi.pipeline.rebuild import RebuildPlan
from rokcsi.pipeline.resume import ResumeFrom
from rokcsi.pipeline.retention import RetentionPlan, RetentionRule
from rokcsi.pipeline.run import RunOptions
from rokcsi.pipeline.world import World
from rokcsi.wiring.answers import Answers, RunStep, named, reference, run_id
from rokcsi.wiring.argument_types import typed, typed_methods
from rokcsi.wiring.background import canceled
from rokcsi.wiring.local import LocalPool, LocalWorld, open_local

__all__ = ["PARALLELISM", "NewNotebookVolume", "RunStep", "Session", "connect", "volume"]

PARALLELISM = RunOptions().parallelism
MOUNT_FOLDER = "/mnt"  # where a volume is seen when nothing else is said: /mnt/NAME


@typed
def connect(home: str | Path | None = None) -> Session:
    """Open this machine's set-up: `home`, else ROKCSI_HOME, else /var/lib/rokcsi.

    The driver is started when the first thing is asked for that needs one.
    """
    return Session.of(open_local(None if home is None else Path(home)))


@typed_methods
class Session(Answers):
    """All that can be asked for. `prepare` is called before whatever needs the driver."""

    def __init__(
        self,
        world: World,
        *,
        prepare: Callable[[], None] = lambda: None,
        close: Callable[[], None] = lambda: None,
        pools: Callable[[], Sequence[LocalPool]] = tuple,
    ) -> None:
        super().__init__(world, pools)
        self._prepare = prepare
        self._close = close

    @classmethod
    def of(cls, local: LocalWorld) -> Session:
        """Give a session over an opened local set-up."""
        return cls(local.world, prepare=local.prepare, close=local.close, pools=lambda: (local.pool(),))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the catalogue and the socket; the driver goes on."""
        self._close()

    def start_driver(self) -> None:
        """Have the driver running, and what a crash left half done ended; all that needs it calls this first."""
        self._prepare()

    # Notebooks

    def create_notebook(
        self,
        name: str,
        volumes: Mapping[str, str | Path | None] | Sequence[NewNotebookVolume],
        *,
        environment: Mapping[str, str] | None = None,
        working_directory: str | None = None,
        image: str = "",
        listener: Listener = SILENT,
    ) -> Notebook:
        """Make a notebook whose volumes begin as copies of folders; the first one is the workspace.

        `volumes` maps a volume's name to the folder that fills it (None: empty), and is then
        seen at /mnt/NAME; `NewNotebookVolume` says more. Raises InvalidRequest, RecordExists, PoolFull.
        """
        new = NewNotebook(name, _new_volumes(volumes), dict(environment or {}), working_directory, image)
        self._prepare()
        return notebooks.create(self._world, new, listener)

    def delete_notebook(self, name: str | Notebook) -> None:
        """Remove a notebook with its volumes; its checkpoints stay. Raises RecordNotFound, StillInUse."""
        self._prepare()
        notebooks.delete(self._world, named(name))

    def execute(self, name: str | Notebook, command: Sequence[str]) -> int:
        """Run a command where the notebook's volumes are mounted, on this terminal; give its exit status."""
        self._prepare()
        found = notebooks.ready_notebook(self._world, named(name))
        notebooks.opened(self._world, found)
        return self._world.cluster.exec_pod(found.name, command, found.environment)

    # Checkpoints

    def checkpoint(
        self,
        of: str | Notebook,
        *,
        title: str = "",
        message: str = "",
        author: str = "",
        listener: Listener = SILENT,
    ) -> Version:
        """Snapshot all volumes of a notebook at one instant; raise RecordNotFound, PoolFull."""
        self._prepare()
        return taking.of_notebook(self._world, named(of), Words(title, message, author), listener)

    def restore(self, version: str | Version, *, name: str | None = None, listener: Listener = SILENT) -> Notebook:
        """Open a checkpoint as a new notebook (restored-<its first digits> unless named): same files, same environment.

        The URL of one member restores that volume alone. Raises RecordNotFound, RecordExists.
        """
        self._prepare()
        name = name or f"restored-{self.find(version).id[:8]}"
        return restoring.restore(self._world, reference(version), name, listener)

    def pin(self, version: str | Version, *, pinned: bool = True) -> Version:
        """Keep a checkpoint from being deleted, by hand or by rule; `pinned=False` lets it go again."""
        changed = replace(self.find(version), pinned=pinned)
        self._world.catalog.versions.save(changed)
        return changed

    def retain(
        self,
        *,
        keep_last: int | None = None,
        keep_runs: int | None = None,
        older_than: dt.timedelta | None = None,
        dry_run: bool = False,
    ) -> RetentionPlan:
        """Delete old checkpoints and runs by rule, and give what went; `dry_run` only gives what would go.

        Of each notebook the newest `keep_last` checkpoints stay, of each pipeline the newest
        `keep_runs` runs, and whatever is not `older_than`. Raises InvalidRequest for an empty rule.
        """
        plan = retention.plan(self._world, RetentionRule(keep_last, keep_runs, older_than))
        if not dry_run:
            self.forget(plan)
        return plan

    def forget(self, plan: RetentionPlan) -> None:
        """Delete what a plan names."""
        self._prepare()
        retention.carry_out(self._world, plan)

    def delete_checkpoint(self, version: str | Version) -> None:
        """Remove a checkpoint and its snapshots; what was cloned from it lives on. Raises StillInUse when it is pinned."""
        self._prepare()
        deletion.delete_version(self._world, self.find(version).id)

    # Runs

    def run(
        self,
        pipeline: str | Path | PipelineDefinition,
        *,
        notebook: str | Notebook,
        parameters: Mapping[str, str] | None = None,
        parallelism: int = PARALLELISM,
        title: str = "",
        message: str = "",
        listener: Listener = SILENT,
    ) -> Run:
        """Run a pipeline file on clones of a notebook's volumes, to its end; `status` of the run tells how it went.

        Raises PipelineFileWrong, RecordNotFound, PoolFull. Ctrl-C cancels the run.
        """
        definition = _definition(pipeline)
        options = _options(parallelism, parameters, Words(title, message))
        self._prepare()
        return running.start(self._world, named(notebook), definition, options, listener)

    def resume(  # noqa: PLR0913 - each is a choice of the caller
        self,
        of: str | Run,
        *,
        notebook: str | Notebook | None = None,
        checkpoint: str | Version | None = None,
        from_step: str | None = None,
        pipeline: str | Path | PipelineDefinition | None = None,
        parameters: Mapping[str, str] | None = None,
        parallelism: int = PARALLELISM,
        listener: Listener = SILENT,
    ) -> Run:
        """Go on with a run from a notebook restored from it, or from a checkpoint; else from before the failed step.

        What had succeeded there is not run again; `from_step` runs that step, and all that needs
        it, anyway. `pipeline` takes the place of the run's own file. Raises as `run` does.
        """
        where = ResumeFrom(
            None if notebook is None else named(notebook),
            None if checkpoint is None else reference(checkpoint),
            from_step,
        )
        definition = None if pipeline is None else _definition(pipeline)
        options = _options(parallelism, parameters, Words())
        self._prepare()
        return resuming.resume(self._world, run_id(of), where, definition, options, listener)

    def cancel(self, of: str | Run) -> bool:
        """Interrupt a run that goes on in another process, as Ctrl-C there would; tell whether it was going on.

        Raises RecordNotFound, and Busy where its process does not end within a minute.
        """
        task = self.run_named(of).task
        return task is not None and canceled(self.task(task))

    def delete_run(self, id: str | Run) -> None:
        """Remove a run with its volumes and checkpoints; raise StillInUse while it goes on."""
        self._prepare()
        deletion.delete_run(self._world, run_id(id))

    # Where things are filed, and what they rest on

    def rebuild(self, *, dry_run: bool = False) -> RebuildPlan:
        """File again what the pool knows of checkpoints and the catalogue does not; give what that is.

        `dry_run` only gives what would be added. Nothing is ever removed or changed.
        """
        self._prepare()
        found = rebuilding.plan(self._world)
        if not dry_run:
            rebuilding.carry_out(self._world, found)
        return found

    def delete_bucket(self, name: str) -> None:
        """Remove an empty bucket; raise StillInUse when it holds objects."""
        self._world.catalog.buckets.remove(self.bucket(name).name)


@typed
def volume(
    name: str,
    folder: str | Path | None = None,
    *,
    mount_path: str | None = None,
    size: str | None = None,
    readonly: bool = False,
    filesystem: str = DEFAULT_FILESYSTEM,
) -> NewNotebookVolume:
    """Describe a volume for `create_notebook`: filled from `folder`, seen at `mount_path` (/mnt/NAME), `size` as 10Gi."""
    return NewNotebookVolume(
        name,
        mount_path or f"{MOUNT_FOLDER}/{name}",
        None if folder is None else Path(folder).absolute(),
        None if size is None else Bytes.parse(size),
        filesystem,
        readonly,
    )


def _new_volumes(
    volumes: Mapping[str, str | Path | None] | Sequence[NewNotebookVolume],
) -> tuple[NewNotebookVolume, ...]:
    if isinstance(volumes, Mapping):
        return tuple(volume(name, folder) for name, folder in volumes.items())
    return tuple(volumes)


def _definition(pipeline: str | Path | PipelineDefinition) -> PipelineDefinition:
    return pipeline if isinstance(pipeline, PipelineDefinition) else files.load(Path(pipeline))


def _options(parallelism: int, parameters: Mapping[str, str] | None, words: Words) -> RunOptions:
    return RunOptions(parallelism, dict(parameters or {}), words)
