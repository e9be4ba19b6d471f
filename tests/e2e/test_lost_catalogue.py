"""docs/how-to/recover-after-a-crash.md, "The catalogue is lost", carried out line by line over a real driver and pool."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from rokcsi.model.runs import Run
from rokcsi.pipeline.fingerprint import of_folder
from rokcsi.sdk import Session, connect
from tests.e2e.conftest import HOUSE

PAGE = (HOUSE / "docs" / "how-to" / "recover-after-a-crash.md").read_text()
CHECKPOINT = "8f14e45f"  # what the page writes for an id
PIPELINE = """\
name: sums
steps:
  - {name: load, command: [sh, -c, "cp /mnt/data/numbers numbers"]}
  - {name: join, needs: load, command: [sh, -c, "test -e fixed && wc -w < numbers > sum"]}
"""

pytestmark = pytest.mark.system


def lines_of_the_page() -> list[str]:
    section = PAGE.partition("## The catalogue is lost")[2].partition("\n## ")[0]
    return "".join(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)).splitlines()


def typed(line: str) -> str:
    said = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in said.stderr, said.stderr
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def hashes(session: Session, notebook: str) -> dict[str, str]:
    return {name: of_folder(path) for name, path in session.pod(notebook).paths.items()}


def failed_run(home: Path, folder: Path) -> Run:
    for name in ("project", "data"):
        (folder / name).mkdir()
    (folder / "project" / "readme").write_text("mine\n")
    (folder / "data" / "numbers").write_text("1 2 3\n")
    (folder / "pipeline.yaml").write_text(PIPELINE)
    with connect(home) as session:
        session.create_notebook("lab", {"workspace": folder / "project", "data": folder / "data"})
        return session.run(folder / "pipeline.yaml", notebook="lab")


def test_the_page_brings_back_what_was_lost(home: Path, tmp_path: Path) -> None:
    failed = failed_run(home, tmp_path)
    with connect(home) as session:
        before = session.find(failed.steps[1].attempts[0].before or "")
        assert before.same_cut_as, "this one has no snapshot of its own, which is the harder case"
        url, ids = session.url(before), {version.id for version in session.checkpoints()}
        session.restore(url, name="expected")
        expected = hashes(session, "expected")
    for file in home.glob("catalog.sqlite*"):
        file.unlink()

    look, add, *others = lines_of_the_page()
    assert url.partition("=")[2][:8] in typed(look)
    assert typed("rokctl get checkpoints -o name") == ""
    assert "added 5 checkpoints, 2 notebooks, 1 run" in typed(add)
    for line in others:
        typed(line.replace(CHECKPOINT, url))

    with connect(home) as session:
        assert {version.id for version in session.checkpoints()} == ids
        assert hashes(session, "fixing") == expected
        assert session.notebook("expected").restored_from is not None
        assert session.rebuild().is_empty
        (session.pod("fixing").paths["workspace"] / "fixed").touch()
        resumed = session.resume(failed, notebook="fixing", pipeline=tmp_path / "pipeline.yaml")
        assert resumed.status == "succeeded"
