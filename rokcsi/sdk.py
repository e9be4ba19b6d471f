"""What a notebook imports: checkpoints, runs and restores of this machine's notebooks, in Python.

    import rokcsi.sdk as rok

    session = rok.connect()
    notebook = session.create_notebook("titanic", {"workspace": "./project", "data": "./data"})
    version = session.checkpoint(notebook, message="before the new features")
    run = session.run("pipeline.yaml", notebook=notebook)
    again = session.restore(version, name="titanic-again")

`rokctl` calls the same methods. Where a method takes a notebook, a version or a run, the
thing itself, its name, its id, the first 6 digits of one or a URL will do. Every error is
one of `rokcsi.model.errors`. A session may be used as a context; it holds nothing open but
the catalogue and the socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.cluster import Claim, Pod
from rokcsi.model.errors import InvalidRequest, RecordNotFound
from rokcsi.model.history import Bucket, FileObject, Notebook, Task, Version
from rokcsi.model.origin import Origin
from rokcsi.model.runs import Attempt, Run, Step
from rokcsi.model.sizes import Bytes
from rokcsi.pipeline import checkpoint, deletion, notebook, restore
from rokcsi.pipeline.checkpoint import Words
from rokcsi.pipeline.find import find_version
from rokcsi.pipeline.notebook import NewNotebook, NewNotebookVolume
from rokcsi.pipeline.progress import SILENT, Listener
from rokcsi.pipeline.world import World
from rokcsi.wiring.local import LocalPool, LocalWorld, open_local

MOUNT_FOLDER = "/mnt"  # where a volume is seen when nothing else is said: /mnt/NAME


def connect(home: str | Path | None = None) -> Session:
    """Open this machine's set-up: `home`, else ROKCSI_HOME, else /var/lib/rokcsi.

    The driver is started when the first thing is asked for that needs one.
    """
    return Session.of(open_local(None if home is None else Path(home)))


@dataclass(frozen=True, slots=True)
class RunStep:
    """A step with the run it belongs to; `name` is what commands call it: RUN/STEP."""

    run: str
    step: Step

    @property
    def name(self) -> str:
        """Give RUN/STEP."""
        return f"{self.run}/{self.step.name}"


class Session:
    """All that can be asked for. `prepare` is called before whatever needs the driver."""

    def __init__(
        self,
        world: World,
        *,
        prepare: Callable[[], None] = lambda: None,
        close: Callable[[], None] = lambda: None,
        pools: Callable[[], Sequence[LocalPool]] = tuple,
    ) -> None:
        self._world = world
        self._prepare = prepare
        self._close = close
        self._pools = pools

    @classmethod
    def of(cls, local: LocalWorld) -> Session:
        """Give a session over an opened local set-up."""
        return cls(local.world, prepare=local.start_driver, close=local.close, pools=lambda: (local.pool(),))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the catalogue and the socket; the driver goes on."""
        self._close()

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
        return notebook.create(self._world, new, listener)

    def notebooks(self) -> Sequence[Notebook]:
        """Give all notebooks, the oldest first."""
        return self._world.catalog.notebooks.list()

    def notebook(self, name: str) -> Notebook:
        """Give one notebook; raise RecordNotFound."""
        return self._world.catalog.notebooks.get(name)

    def delete_notebook(self, name: str | Notebook) -> None:
        """Remove a notebook with its volumes; its checkpoints stay. Raises RecordNotFound, StillInUse."""
        self._prepare()
        notebook.delete(self._world, _name(name))

    def execute(self, name: str | Notebook, command: Sequence[str]) -> int:
        """Run a command where the notebook's volumes are mounted, on this terminal; give its exit status."""
        self._prepare()
        found = notebook.ready_notebook(self._world, _name(name))
        notebook.opened(self._world, found)
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
        return checkpoint.of_notebook(self._world, _name(of), Words(title, message, author), listener)

    def checkpoints(
        self, *, bucket: str | None = None, object: str | None = None, run: str | None = None
    ) -> Sequence[Version]:
        """Give the checkpoints that match, the oldest first."""
        return self._world.catalog.versions.list(VersionFilter(bucket, object, run))

    def find(self, reference: str | Version) -> Version:
        """Give the checkpoint that an id, the first 6 digits of one, or a URL names; raise RecordNotFound."""
        return find_version(self._world, _reference(reference)).version

    def url(self, version: str | Version) -> str:
        """Give the Rok URL of a checkpoint, which `restore` takes."""
        found = self.find(version)
        return str(Origin.of_version(found, namespace=self._world.namespace, host=self._world.host))

    def clones(self, version: Version) -> Sequence[Claim]:
        """Give the claims that were cloned from a checkpoint's members."""
        snapshots = {member.snapshot for member in version.members}
        return [claim for claim in self.claims() if claim.from_snapshot in snapshots]

    def restore(self, version: str | Version, *, name: str, listener: Listener = SILENT) -> Notebook:
        """Open a checkpoint as a new notebook: same files, same environment. Raises RecordNotFound, RecordExists."""
        self._prepare()
        return restore.restore(self._world, _reference(version), name, listener)

    def delete_checkpoint(self, version: str | Version) -> None:
        """Remove a checkpoint and its snapshots; what was cloned from it lives on. Raises StillInUse when it is pinned."""
        self._prepare()
        deletion.delete_version(self._world, self.find(version).id)

    # Runs
    # RUNS#

    def runs(self, *, pipeline: str | None = None) -> Sequence[Run]:
        """Give the runs, the oldest first."""
        return self._world.catalog.runs.list(pipeline=pipeline)

    def run_named(self, id: str | Run) -> Run:
        """Give one run with its steps and attempts; raise RecordNotFound."""
        return self._world.catalog.runs.get(id.id if isinstance(id, Run) else id)

    def steps(self, run: str | Run | None = None) -> Sequence[RunStep]:
        """Give the steps of a run, or of all runs."""
        runs = self.runs() if run is None else [self.run_named(run)]
        return [RunStep(each.id, step) for each in runs for step in each.steps]

    def step(self, run: str | Run, name: str) -> RunStep:
        """Give one step; raise RecordNotFound."""
        found = self.run_named(run)
        step = found.step(name)
        if step is None:
            names = ", ".join(each.name for each in found.steps)
            raise RecordNotFound(f"run {found.id} has no step {name!r}; it has: {names}")
        return RunStep(found.id, step)

    def log(self, run: str | Run, step: str, attempt: int | None = None) -> str:
        """Give what an attempt of a step printed (the last attempt unless told); raise RecordNotFound."""
        found = self.step(run, step)
        chosen = _attempt(found, attempt)
        path = Path(chosen.log) if chosen.log else None
        return path.read_text(encoding="utf-8", errors="replace") if path and path.exists() else chosen.log_tail

    def delete_run(self, id: str | Run) -> None:
        """Remove a run with its volumes and checkpoints; raise StillInUse while it goes on."""
        self._prepare()
        deletion.delete_run(self._world, id.id if isinstance(id, Run) else id)

    # Where things are filed, and what they rest on

    def buckets(self) -> Sequence[Bucket]:
        """Give all buckets, ordered by name."""
        return self._world.catalog.buckets.list()

    def bucket(self, name: str) -> Bucket:
        """Give one bucket; raise RecordNotFound."""
        return self._world.catalog.buckets.get(name)

    def delete_bucket(self, name: str) -> None:
        """Remove an empty bucket; raise StillInUse when it holds objects."""
        self._world.catalog.buckets.remove(self.bucket(name).name)

    def objects(self, bucket: str | None = None) -> Sequence[FileObject]:
        """Give what is filed in a bucket, or in all of them."""
        buckets = [each.name for each in self.buckets()] if bucket is None else [bucket]
        return [filed for name in buckets for filed in self._world.catalog.buckets.objects(name)]

    def object(self, bucket: str, name: str) -> FileObject:
        """Give one object; raise RecordNotFound."""
        found = next((filed for filed in self.objects(bucket) if filed.name == name), None)
        if found is None:
            raise RecordNotFound(f"bucket {bucket!r} has no object {name!r}; `rokctl get objects` lists them")
        return found

    def tasks(self, *, bucket: str | None = None) -> Sequence[Task]:
        """Give the tasks, the oldest first."""
        return self._world.catalog.tasks.list(bucket=bucket)

    def task(self, id: str) -> Task:
        """Give one task, by its id or the beginning of it; raise RecordNotFound, InvalidRequest when several match."""
        matching = [task for task in self.tasks() if task.id.startswith(id)]
        if len(matching) > 1 and id not in {task.id for task in matching}:
            raise InvalidRequest(f"{len(matching)} tasks begin with {id!r}; give more of the id")
        return matching[0] if len(matching) == 1 else self._world.catalog.tasks.get(id)

    def claims(self) -> Sequence[Claim]:
        """Give all claims, ordered by name."""
        return self._world.cluster.claims()

    def claim(self, name: str) -> Claim:
        """Give one claim; raise RecordNotFound."""
        return self._world.cluster.claim(name)

    def pods(self) -> Sequence[Pod]:
        """Give all pods, ordered by name."""
        return self._world.cluster.pods()

    def pools(self) -> Sequence[LocalPool]:
        """Give the pools that are served on this machine."""
        return self._pools()

    def pool(self, name: str) -> LocalPool:
        """Give one pool; raise RecordNotFound."""
        found = next((pool for pool in self.pools() if pool.name == name), None)
        if found is None:
            raise RecordNotFound(f"there is no pool {name!r}; `rokctl get pools` lists them")
        return found

    def pod(self, name: str) -> Pod:
        """Give one pod; raise RecordNotFound."""
        found = next((pod for pod in self.pods() if pod.name == name), None)
        if found is None:
            raise RecordNotFound(f"there is no pod {name!r}; `rokctl get pods` lists them")
        return found


def volume(
    name: str,
    folder: str | Path | None = None,
    *,
    mount_path: str | None = None,
    size: str | None = None,
    readonly: bool = False,
    filesystem: str = "xfs",
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


def _name(of: str | Notebook) -> str:
    return of.name if isinstance(of, Notebook) else of


def _reference(version: str | Version) -> str:
    return version.id if isinstance(version, Version) else version


def _attempt(row: RunStep, number: int | None) -> Attempt:
    found = (
        row.step.last if number is None else next((each for each in row.step.attempts if each.number == number), None)
    )
    if found is None:
        tried = f"has no attempt {number}" if number is not None else "has not been started"
        raise RecordNotFound(f"step {row.name} {tried}; `rokctl describe step {row.name}` shows its attempts")
    return found
