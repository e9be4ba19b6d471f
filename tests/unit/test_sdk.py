"""What a notebook imports: things may be given themselves or by their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.catalog.opening import open_catalog
from rokcsi.model.errors import RecordNotFound
from rokcsi.pipeline.world import World
from rokcsi.sdk import Session, volume
from tests.fakes.memory_cluster import MemoryCluster


@pytest.fixture
def prepared() -> list[str]:
    """One entry for each time the driver was asked for."""
    return []


@pytest.fixture
def session(tmp_path: Path, prepared: list[str]) -> Iterator[Session]:
    catalog = open_catalog(tmp_path / "catalog.sqlite")
    cluster = MemoryCluster(tmp_path / "cluster", {"work": lambda _: 0})
    with Session(World(cluster, catalog), prepare=lambda: prepared.append("driver"), close=catalog.close) as opened:
        yield opened


def test_the_story_in_python(session: Session, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "pipeline.yaml").write_text("name: p\nsteps:\n  - {name: a, command: [work]}\n")
    notebook = session.create_notebook("lab", {"workspace": tmp_path / "project", "data": None})
    version = session.checkpoint(notebook, message="first")
    assert [member.mount_path for member in version.members] == ["/mnt/workspace", "/mnt/data"]
    run = session.run(tmp_path / "pipeline.yaml", notebook=notebook)
    assert run.status == "succeeded"
    assert session.restore(session.url(version)).name == f"restored-{version.id[:8]}"
    assert session.resume(run, from_step="a").leg == 2
    session.delete_run(run)
    session.delete_checkpoint(version)
    session.delete_notebook(notebook)
    assert [each.name for each in session.notebooks()] == [f"restored-{version.id[:8]}"]


def test_questions_need_no_driver(session: Session, prepared: list[str]) -> None:
    session.notebooks(), session.checkpoints(), session.runs(), session.tasks(), session.claims(), session.pods()
    with pytest.raises(RecordNotFound):
        session.notebook("missing")
    assert prepared == []
    session.create_notebook("lab", [volume("workspace", mount_path="/work", size="2Gi")])
    assert prepared == ["driver"]


def test_a_task_is_found_by_the_beginning_of_its_id(session: Session) -> None:
    session.create_notebook("lab", {"workspace": None})
    (task,) = session.tasks()
    assert session.task(task.id[:6]) == task
    with pytest.raises(RecordNotFound):
        session.task("zzz")
