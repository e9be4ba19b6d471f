"""A world in folders: a cluster in memory, a catalogue in a file, a notebook of three volumes, a pipeline of five steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rokcsi.catalog.opening import open_catalog
from rokcsi.catalog.sql import SqlCatalog
from rokcsi.model.history import Notebook
from rokcsi.pipeline import notebook
from rokcsi.pipeline.definition import PipelineDefinition, parse
from rokcsi.pipeline.progress import Event
from rokcsi.pipeline.world import World
from tests.fakes.memory_cluster import Container, MemoryCluster

PIPELINE = """\
name: sums
parameters:
  FACTOR: 2
steps:
  - {name: load, command: load}
  - {name: double, command: [double], needs: load}
  - {name: square, command: [square], needs: [load]}
  - name: join
    command: [join]
    needs: [double, square]
    environment: {STRICT: "yes"}
  - {name: report, command: [report], needs: [join]}
"""


@dataclass
class Heard:
    """A listener that keeps what it hears."""

    events: list[Event] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        self.events.append(event)


def load(container: Container) -> int:
    numbers = container.path("/home/me/data/numbers").read_text()
    container.path(container.environment["ROKCSI_MARSHAL_DIR"] + "/numbers").write_text(numbers)
    return 0


def _each(container: Container, name: str, power: int, factor: int) -> int:
    hidden = container.path(container.environment["ROKCSI_MARSHAL_DIR"])
    numbers = [int(word) for word in (hidden / "numbers").read_text().split()]
    (hidden / name).write_text(" ".join(str(factor * number**power) for number in numbers))
    return 0


def double(container: Container) -> int:
    return _each(container, "double", 1, int(container.environment["FACTOR"]))


def square(container: Container) -> int:
    return _each(container, "square", 2, 1)


def join(container: Container) -> int:
    """Fail as long as the workspace's settings are wrong."""
    if "separator=plus" not in container.path("/home/me/work/settings").read_text():
        container.say("ValueError: unknown separator")
        return 3
    hidden = container.path(container.environment["ROKCSI_MARSHAL_DIR"])
    total = sum(int(word) for name in ("double", "square") for word in (hidden / name).read_text().split())
    (hidden / "total").write_text(str(total))
    return 0


def report(container: Container) -> int:
    hidden = container.path(container.environment["ROKCSI_MARSHAL_DIR"])
    container.path("/home/me/models/report").write_text((hidden / "total").read_text())
    return 0


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    programs = {"load": load, "double": double, "square": square, "join": join, "report": report}
    return MemoryCluster(tmp_path / "cluster", dict(programs))


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    opened = open_catalog(tmp_path / "catalog.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def world(cluster: MemoryCluster, catalog: SqlCatalog) -> World:
    return World(cluster, catalog, author="the owner")


@pytest.fixture
def definition() -> PipelineDefinition:
    return parse(PIPELINE)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Give a folder with `work`, `data` and `models` in it."""
    root = tmp_path / "folders"
    for name in ("work", "data", "models"):
        (root / name).mkdir(parents=True)
    (root / "work" / "settings").write_text("separator=wrong\n")
    (root / "data" / "numbers").write_text("1 2 3\n")
    return root


def new_notebook(folders: Path, name: str = "lab") -> notebook.NewNotebook:
    return notebook.NewNotebook(
        name,
        (
            notebook.NewNotebookVolume("workspace", "/home/me/work", folders / "work"),
            notebook.NewNotebookVolume("data", "/home/me/data", folders / "data"),
            notebook.NewNotebookVolume("models", "/home/me/models", folders / "models"),
        ),
        environment={"LANGUAGE": "en"},
        working_directory="/home/me/work",
    )


@pytest.fixture
def lab(world: World, folders: Path) -> Notebook:
    return notebook.create(world, new_notebook(folders))
