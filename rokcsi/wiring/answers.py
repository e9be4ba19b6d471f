"""Every question that the SDK and `rokctl` answer without the driver, from the catalogue and the cluster's records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.cluster import Claim, Pod
from rokcsi.model.errors import InvalidRequest, RecordNotFound
from rokcsi.model.history import Bucket, FileObject, Notebook, Task, TaskKind, Version
from rokcsi.model.runs import Attempt, Run, Step
from rokcsi.pipeline.describe import StepDescription, describe_step, url_of
from rokcsi.pipeline.find import find_version
from rokcsi.pipeline.world import World
from rokcsi.wiring.argument_types import typed_methods
from rokcsi.wiring.local import LocalPool


@dataclass(frozen=True, slots=True)
class RunStep:
    """A step with the run it belongs to; `name` is what commands call it: RUN/STEP."""

    run: str
    step: Step

    @property
    def name(self) -> str:
        """Give RUN/STEP."""
        return f"{self.run}/{self.step.name}"


@typed_methods
class Answers:
    """Notebooks, checkpoints, runs and what they rest on; a thing may be given itself or by its name."""

    def __init__(self, world: World, pools: Callable[[], Sequence[LocalPool]]) -> None:
        self._world = world
        self._pools = pools

    def notebooks(self) -> Sequence[Notebook]:
        """Give all notebooks, the oldest first."""
        return self._world.catalog.notebooks.list()

    def notebook(self, name: str) -> Notebook:
        """Give one notebook; raise RecordNotFound."""
        return self._world.catalog.notebooks.get(name)

    def checkpoints(
        self, *, bucket: str | None = None, object: str | None = None, run: str | None = None
    ) -> Sequence[Version]:
        """Give the checkpoints that match, the oldest first; raise RecordNotFound for an unknown run."""
        if run is not None:
            self.run_named(run)
        return self._world.catalog.versions.list(VersionFilter(bucket, object, run))

    def find(self, which: str | Version) -> Version:
        """Give the checkpoint that an id, the first 6 digits of one, or a URL names; raise RecordNotFound."""
        return find_version(self._world, reference(which)).version

    def url(self, version: str | Version) -> str:
        """Give the Rok URL of a checkpoint, which `restore` takes."""
        return url_of(self._world, self.find(version))

    def clones(self, version: Version) -> Sequence[Claim]:
        """Give the claims that were cloned from a checkpoint's members."""
        snapshots = {member.snapshot for member in version.members}
        return [claim for claim in self.claims() if claim.from_snapshot in snapshots]

    def runs(self, *, pipeline: str | None = None) -> Sequence[Run]:
        """Give the runs, the oldest first."""
        return self._world.catalog.runs.list(pipeline=pipeline)

    def run_named(self, id: str | Run) -> Run:
        """Give one run with its steps and attempts; raise RecordNotFound."""
        return self._world.catalog.runs.get(run_id(id))

    def steps(self, run: str | Run | None = None) -> Sequence[RunStep]:
        """Give the steps of a run, or of all runs."""
        runs = self.runs() if run is None else [self.run_named(run)]
        return [RunStep(each.id, step) for each in runs for step in each.steps]

    def describe_step(self, run: str | Run, name: str) -> StepDescription:
        """Tell all of a step: what was mounted where, its checkpoints with their URLs; raise RecordNotFound."""
        return describe_step(self._world, run_id(run), name)

    def step(self, run: str | Run, name: str) -> RunStep:
        """Give one step; raise RecordNotFound."""
        found = self.describe_step(run, name)
        return RunStep(found.run.id, found.step)

    def log(self, run: str | Run, step: str, attempt: int | None = None) -> str:
        """Give what an attempt of a step printed (the last attempt unless told); raise RecordNotFound."""
        found = self.step(run, step)
        chosen = _attempt(found, attempt)
        path = Path(chosen.log) if chosen.log else None
        return path.read_text(encoding="utf-8", errors="replace") if path and path.exists() else chosen.log_tail

    def buckets(self) -> Sequence[Bucket]:
        """Give all buckets, ordered by name."""
        return self._world.catalog.buckets.list()

    def bucket(self, name: str) -> Bucket:
        """Give one bucket; raise RecordNotFound."""
        return self._world.catalog.buckets.get(name)

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

    def run_task_of(self, owner: str) -> Task | None:
        """Give the newest run's task of a process, by its owner's name; None when it has none."""
        mine = (task for task in reversed(self.tasks()) if task.owner == owner and task.kind is TaskKind.RUN)
        return next(mine, None)

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


def named(of: str | Notebook) -> str:
    """Give a notebook's name."""
    return of.name if isinstance(of, Notebook) else of


def reference(version: str | Version) -> str:
    """Give what names a version: its id, or the text as it is."""
    return version.id if isinstance(version, Version) else version


def run_id(of: str | Run) -> str:
    """Give a run's id."""
    return of.id if isinstance(of, Run) else of


def _attempt(row: RunStep, number: int | None) -> Attempt:
    found = (
        row.step.last if number is None else next((each for each in row.step.attempts if each.number == number), None)
    )
    if found is None:
        tried = f"has no attempt {number}" if number is not None else "has not been started"
        raise RecordNotFound(f"step {row.name} {tried}; `rokctl describe step {row.name}` shows its attempts")
    return found
