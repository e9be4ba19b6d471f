"""docs/how-to/run-your-own-project.md, carried out line by line on files of one's own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.project import python
from tests.e2e.conftest import HOUSE

PAGE = (HOUSE / "docs" / "how-to" / "run-your-own-project.md").read_text()
CHECKPOINT, RUN = "8f14e45f", "titanic-1a2b3c4d"  # what the page writes for ids
WRONG, RIGHT = "1 / 0", "1 / 2"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@dataclass
class Reader:
    """Somebody who reads the page and types its lines, with the ids that were printed in place of the page's."""

    folder: Path
    checkpoint: str = ""
    run: str = ""

    def type(self, line: str) -> int:
        words = [word.replace(CHECKPOINT, self.checkpoint).replace(RUN, self.run) for word in shlex.split(line)]
        said = subprocess.run(
            words, cwd=self.folder, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False
        )
        printed = said.stdout + said.stderr
        assert "Traceback" not in said.stderr, printed
        if found := re.search(r"checkpoint/([0-9a-f-]{36}) taken", printed):
            self.checkpoint = found[1]
        if found := re.search(r"run/(titanic-[0-9a-f]{8}) (succeeded|failed)", printed):
            self.run = found[1]
        if found := re.search(r"rokctl restore ([0-9a-f]{8}) --as fixing", printed):
            self.checkpoint = found[1]
        return said.returncode


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "project").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "data" / "passengers.csv").write_text("name,survived\nA,1\nB,0\n")
    clean = "import os, pathlib\npathlib.Path(os.environ['ROKCSI_MARSHAL_DIR']).mkdir(exist_ok=True, parents=True)\n"
    (folder / "project" / "clean.py").write_text(clean + "print('clean')\n")
    (folder / "project" / "train.py").write_text(f"print({WRONG})\n")
    (folder / "pipeline.yaml").write_text(blocks("yaml")[0])
    return folder


@pytest.mark.system
def test_the_page_can_be_followed_line_by_line(home: Path, project: Path) -> None:
    reader = Reader(project)
    expected = {"run": 1}  # the step fails the first time; that is what the page is about
    for line in "".join(blocks("sh")).splitlines():
        if line.endswith(("-- bash", "pip install scikit-learn")):
            continue  # a shell of one's own, and packages from elsewhere
        verb = line.split()[1]
        line = line.replace("python3 -m venv", f"{python()} -m venv --without-pip")  # noqa: PLW2901 - the page's words with this machine's Python
        line = line.replace("vi /mnt", f"sed -i 's#{WRONG}#{RIGHT}#' /mnt")  # noqa: PLW2901 - an editor that needs no hands
        assert reader.type(line) == expected.get(verb, 0), line
    assert (project / "project" / "train.py").read_text() == f"print({WRONG})\n", "one's own folder was written to"
    assert home.is_dir()


@pytest.mark.system
def test_the_python_on_the_page_does_what_it_says(home: Path, project: Path) -> None:
    (project / "project" / "train.py").write_text(f"print({RIGHT})\n")
    (project / "pipeline.yaml").write_text(blocks("yaml")[0].replace(".venv/bin/python", "/usr/bin/env, python3"))
    (program,) = blocks("python")
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    checked = program + "    assert run.status == 'succeeded', run\n    assert again.restored_from == version.id\n"
    said = subprocess.run(
        [sys.executable, "-c", checked],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert home.is_dir()
