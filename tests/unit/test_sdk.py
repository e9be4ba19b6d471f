"""What a notebook imports: things may be given themselves or by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rokcsi import sdk
from rokcsi.catalog.opening import open_catalog
from rokcsi.model.errors import InvalidRequest, RecordNotFound
from rokcsi.pipeline.world import World
from rokcsi.sdk import Session, volume
from tests.fakes.memory_cluster import MemoryCluster

UNTYPED: Any = sdk


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


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda session: session.checkpoint(5), r"checkpoint: of is 5 \(int\); give str or Notebook"),
        (lambda session: session.checkpoint(None), r"checkpoint: of is None; give str or Notebook"),
        (lambda session: session.checkpoint("lab", message=b"x"), r"message is b'x' \(bytes\); give str"),
        (lambda session: session.checkpoint(), r"checkpoint: missing a required argument: 'of'"),
        (lambda session: session.checkpoint("lab", massage="x"), r"unexpected keyword argument 'massage'"),
        (lambda session: session.create_notebook("lab", "workspace"), r"give a mapping of str to str or Path or None"),
        (lambda session: session.create_notebook("lab", {"workspace": 3}), r"volumes is {'workspace': 3} \(dict\)"),
        (
            lambda session: session.create_notebook("lab", {"workspace": None}, environment=["A"]),
            r"environment is \['A'\]",
        ),
        (lambda session: session.create_notebook("lab", ["workspace"]), r"or a list of NewNotebookVolume"),
        (lambda session: session.execute("lab", "ls -l"), r"command is 'ls -l' \(str\); give a list of str"),
        (lambda session: session.run({"name": "p"}, notebook="lab"), r"give str or Path or PipelineDefinition"),
        (
            lambda session: session.run("p.yaml", notebook="lab", parallelism="2"),
            r"parallelism is '2' \(str\); give int",
        ),
        (lambda session: session.run("p.yaml", notebook="lab", parameters={"A": 1}), r"parameters is {'A': 1}"),
        (lambda session: session.retain(keep_last=True), r"keep_last is True \(bool\); give int or None"),
        (lambda session: session.retain(older_than=7), r"older_than is 7 \(int\); give timedelta or None"),
        (lambda session: session.find(3.5), r"which is 3.5 \(float\); give str or Version"),
        (lambda session: session.notebook(session), r"give str"),
        (lambda _: UNTYPED.volume("data", size=10), r"volume: size is 10 \(int\); give str or None"),
        (lambda _: UNTYPED.connect(3), r"connect: home is 3 \(int\)"),
    ],
)
def test_a_wrong_kind_of_argument_is_refused_by_name_before_anything_is_begun(
    session: Session, prepared: list[str], call: Callable[[Any], object], complaint: str
) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        call(session)
    assert prepared == []
