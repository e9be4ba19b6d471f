"""Failures, Ctrl-C and crashes at every call to the cluster: nothing half made is left, a repetition works."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from rokcsi.catalog.database import Database
from rokcsi.catalog.opening import open_catalog
from rokcsi.catalog.sql import SqlCatalog
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.cluster import PodPhase
from rokcsi.model.errors import Damaged, PoolFull, RokcsiError
from rokcsi.model.history import NotebookState, TaskStatus, VersionState
from rokcsi.model.runs import RunStatus, StepStatus
from rokcsi.pipeline import notebook, resume, run
from rokcsi.pipeline.checkpoint import of_notebook
from rokcsi.pipeline.definition import parse
from rokcsi.pipeline.deletion import delete_run, delete_version
from rokcsi.pipeline.names import RUN_LABEL
from rokcsi.pipeline.reconcile import reconcile
from rokcsi.pipeline.restore import restore
from rokcsi.pipeline.run import RunOptions
from rokcsi.pipeline.world import World
from tests.fakes.memory_cluster import Container, Failure, MemoryCluster

TWO_STEPS = "name: short\nsteps:\n- {name: one, command: [one]}\n- {name: two, command: [two], needs: one}\n"


class Died(BaseException):
    """The process is gone: nothing after this happens."""


class Mortal(Database):
    """A database that answers nothing to a process that is gone."""

    dead = False

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        # The disk outlives the process here, so it need not be waited for.
        event.listen(self._engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        if self.dead:
            raise Died
        with super().reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self.dead:
            raise Died
        with super().writing() as connection:
            yield connection


class DyingCluster(MemoryCluster):
    """A cluster that the process sees no more after its death."""

    database: Mortal

    @contextmanager
    def _called(self, verb: str) -> Iterator[None]:
        if self.database.dead:
            raise Died
        try:
            with super()._called(verb):
                yield
        except Died:
            self.database.dead = True
            raise


@dataclass(frozen=True)
class Nobody:
    """An owner that knows of no other living process."""

    name: str = "the next process"

    def lives(self, name: str) -> bool:
        return name == self.name


def one(container: Container) -> int:
    container.path("/work/one").write_text("1")
    return 0


def two(container: Container) -> int:
    container.path("/work/two").write_text(container.path("/work/one").read_text())
    return 0


class Scene:
    """A world with a notebook `lab`, of which a process may die."""

    def __init__(self, root: Path) -> None:
        self.database = Mortal(root / "catalog.sqlite")
        open_catalog(root / "catalog.sqlite").close()
        self.cluster = DyingCluster(root / "cluster", {"one": one, "two": two})
        self.cluster.database = self.database
        self.world = World(self.cluster, SqlCatalog(self.database))
        self.source = root / "source"
        self.source.mkdir()
        (self.source / "file").write_text("content")
        self.create("lab")
        self.version = of_notebook(self.world, "lab").id
        self.finished = self.run()

    def create(self, name: str) -> None:
        volumes = (
            notebook.NewNotebookVolume("workspace", "/work", self.source),
            notebook.NewNotebookVolume("data", "/data", self.source),
        )
        notebook.create(self.world, notebook.NewNotebook(name, volumes))

    def run(self) -> str:
        return run.start(self.world, "lab", parse(TWO_STEPS), RunOptions(parallelism=1)).id

    def reborn(self) -> None:
        """Let the next process begin: it sees the same cluster and file."""
        self.database.dead = False
        self.cluster.failure = None
        self.world = dataclasses.replace(self.world, owner=Nobody())


Deed = Callable[[Scene], object]
DEEDS: dict[str, Deed] = {
    "create": lambda scene: scene.create("second"),
    "checkpoint": lambda scene: of_notebook(scene.world, "lab"),
    "restore": lambda scene: restore(scene.world, scene.version, "opened"),
    "run": lambda scene: scene.run(),
    "resume": lambda scene: resume.resume(
        scene.world, scene.finished, resume.ResumeFrom(step="two"), options=RunOptions(parallelism=1)
    ),
}
DELETIONS: dict[str, Deed] = {
    "delete notebook": lambda scene: notebook.delete(scene.world, "lab"),
    "delete version": lambda scene: delete_version(scene.world, scene.version),
    "delete run": lambda scene: delete_run(scene.world, scene.finished),
}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.database.close()


def _leaks(scene: Scene) -> list[str]:
    """Say what is there that nobody owns, and what is owned but not there."""
    world, cluster = scene.world, scene.cluster
    versions = world.catalog.versions.list(VersionFilter(state=None))
    found = [f"version {v.id} is {v.state}" for v in versions if v.state is not VersionState.READY]
    found += [
        f"notebook {n.name} is {n.state}" for n in world.catalog.notebooks.list() if n.state is not NotebookState.READY
    ]
    runs = world.catalog.runs.list()
    found += [f"run {r.id} is {r.status}" for r in runs if r.status in {RunStatus.RUNNING, RunStatus.DELETING}]
    found += [
        f"attempt {a.number} of {s.name} of {r.id} is {a.status}"
        for r in runs
        for s in r.steps
        for a in s.attempts
        if a.status in {StepStatus.PENDING, StepStatus.RUNNING}
    ]
    found += [f"task {t.id} runs" for t in world.catalog.tasks.list(status=TaskStatus.RUNNING)]
    notebooks = world.catalog.notebooks.list()
    wanted = {volume.claim for n in notebooks for volume in n.volumes}
    wanted |= {volume.claim for r in runs for volume in r.volumes}
    # The volumes of a leg before go with the next resume, or with the run, when their removal failed.
    replaced = {c.name for c in cluster.claims() if c.labels.get(RUN_LABEL) in {r.id for r in runs if r.leg > 1}}
    wanted |= {v.cut_name for v in versions} | {n.name for n in notebooks}
    ended = {pod.name for pod in cluster.pods() if pod.phase in {PodPhase.SUCCEEDED, PodPhase.FAILED}}
    known = {attempt.pod for r in runs for step in r.steps for attempt in step.attempts}
    left = cluster.left()
    found += [f"nobody owns {name}" for name in sorted(left - wanted - replaced - (ended & known))]
    found += [f"{name} is missing" for name in sorted(wanted - left)]
    return found


def _calls_of(scene: Scene, deed: Deed) -> int:
    before = len(scene.cluster.calls)
    deed(scene)
    return len(scene.cluster.calls) - before


def _fails(scene: Scene, deed: Deed, call: int, error: BaseException, *, after: bool) -> bool:
    """Do it with a failure at one call; tell whether that call came."""
    first = len(scene.cluster.calls)
    scene.cluster.failure = Failure(first + call, error, after)
    try:
        deed(scene)
    except (RokcsiError, KeyboardInterrupt, Died) as raised:
        assert type(raised) is type(error)  # noqa: PT017 - which one of three is the point
    reached = len(scene.cluster.calls) > first + call
    scene.cluster.failure = None
    return reached


# A full pool has not done the deed; the others may have.
FAILURES = [
    (PoolFull("no room"), False),
    *((e, late) for e in (Damaged("a broken pipe"), KeyboardInterrupt()) for late in (False, True)),
]


@pytest.mark.parametrize(
    ("error", "after"), FAILURES, ids=[f"{error!r}-{'after' if late else 'before'}" for error, late in FAILURES]
)
@pytest.mark.parametrize("name", DEEDS)
def test_a_failure_at_any_call_leaves_nothing_half_made(
    scene: Scene, name: str, error: BaseException, *, after: bool
) -> None:
    call = 0
    while _fails(scene, DEEDS[name], call, error, after=after):
        assert _leaks(scene) == [], f"after call {call}, {scene.cluster.calls[-8:]}"
        _put_back(scene, name)
        call += 1
    assert call > 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", [*DEEDS, *DELETIONS])
def test_a_crash_at_any_call_is_ended_by_the_next_process(tmp_path: Path, name: str, *, after: bool) -> None:
    deed = {**DEEDS, **DELETIONS}[name]
    call, reached = 0, True
    while reached:
        (tmp_path / str(call)).mkdir()
        scene = Scene(tmp_path / str(call))
        reached = _fails(scene, deed, call, Died(), after=after)
        scene.reborn()
        reconcile(scene.world)
        assert _leaks(scene) == [], f"after call {call}, {scene.cluster.calls[-8:]}"
        assert reconcile(scene.world) == []
        scene.database.close()
        call += 1
    assert call > 1


def test_a_record_that_cannot_be_ended_blocks_nobody_else(scene: Scene) -> None:
    for name in ("second", "third"):
        _fails(scene, lambda scene, name=name: scene.create(name), 4, Died(), after=True)  # type: ignore[misc]  # name is bound here
        scene.database.dead = False
    scene.reborn()
    scene.cluster.failure = Failure(len(scene.cluster.calls), ValueError("no such number"))
    problems = [found.problem for found in reconcile(scene.world) if found.problem]
    assert problems == ["ValueError: no such number"]
    assert not any(found.problem for found in reconcile(scene.world))
    assert _leaks(scene) == []


@pytest.mark.parametrize("name", DELETIONS)
def test_a_deletion_that_failed_at_any_call_is_finished_by_its_repetition(tmp_path: Path, name: str) -> None:
    call, reached = 0, True
    while reached:
        (tmp_path / str(call)).mkdir()
        scene = Scene(tmp_path / str(call))
        reached = _fails(scene, DELETIONS[name], call, Damaged("a broken pipe"), after=False)
        if reached:
            DELETIONS[name](scene)
        assert _leaks(scene) == []
        scene.database.close()
        call += 1


def _put_back(scene: Scene, name: str) -> None:
    """Remove what a deed made in spite of a late failure, so that it can be done again."""
    made = {"create": "second", "restore": "opened"}.get(name)
    if made in {known.name for known in scene.world.catalog.notebooks.list()}:
        notebook.delete(scene.world, made or "")
