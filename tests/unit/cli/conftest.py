"""A session over a cluster in memory, and a runner of commands that uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rokcsi.catalog.opening import open_catalog
from rokcsi.cli.rokctl import app
from rokcsi.pipeline.world import World
from rokcsi.sdk import Session
from tests.fakes.memory_cluster import Container, MemoryCluster

PIPELINE = """\
name: sums
parameters: {FACTOR: "2"}
steps:
  - {name: load, command: [load]}
  - {name: join, command: [join], needs: [load]}
"""

Rokctl = Callable[..., Result]


def load(container: Container) -> int:
    container.say("loaded")
    return 0


def join(container: Container) -> int:
    """Fail until somebody has made a file in the workspace."""
    if not container.path("/mnt/workspace/fixed").exists():
        container.say("ValueError: not fixed yet")
        return 3
    return 0


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path / "cluster", {"load": load, "join": join})


@pytest.fixture
def session(cluster: MemoryCluster, tmp_path: Path) -> Iterator[Session]:
    catalog = open_catalog(tmp_path / "catalog.sqlite")
    yield Session(World(cluster, catalog, author="the owner"))
    catalog.close()


@pytest.fixture
def rokctl(session: Session) -> Rokctl:
    """Run a command line and give what it printed; `ok=False` where it is meant to fail."""

    def run(*arguments: str, ok: bool = True) -> Result:
        result = CliRunner().invoke(app, list(arguments), obj=session)
        if ok:
            assert result.exit_code == 0, result.output
        return result

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello\n")
    return folder


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE)
    return file


@pytest.fixture
def notebook(rokctl: Rokctl, project: Path) -> str:
    rokctl(
        "create", "notebook", "lab", "-v", f"workspace={project}", "-v", "data=,mount=/data,size=2Gi,ro", "-e", "A=1"
    )
    return "lab"
