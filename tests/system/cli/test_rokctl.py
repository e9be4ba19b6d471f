"""`rokctl` on a home folder of its own, with a real driver: the whole story, Ctrl-C, the background."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rokcsi.local.driver import stop

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
PATIENCE_SECONDS = 90
PIPELINE = """\
name: story
steps:
  - {name: load, command: "echo loaded > /mnt/workspace/loaded"}
  - {name: join, command: "cat /mnt/data/number && test -e /mnt/workspace/fixed", needs: [load]}
"""
SLOW = """\
name: slow
steps:
  - {name: wait, command: "sleep 60"}
"""


@dataclass(frozen=True)
class Home:
    """A home folder with its own driver."""

    path: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rokcsi.cli.rokctl", "--home", str(self.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "ROKCSI_CONFIG": "", "ROKCSI_RECORDS": str(self.path / "records")},
        )

    def run(self, *arguments: str, status: int = 0) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == status, f"{out}\n{err}"
        assert "Traceback" not in err
        return out

    def dump(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "-o", "json"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    place = Home(tmp_path / "home")
    yield place
    for name in place.run("get", "runs", "-o", "name").split():
        place.run("cancel", name)
        place.run("delete", name)
    for kind in ("notebooks", "checkpoints"):
        for name in place.run("get", kind, "-o", "name").split():
            place.run("delete", name)
    stop(place.path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "number").write_text("42\n")
    (folder / "story.yaml").write_text(PIPELINE)
    (folder / "slow.yaml").write_text(SLOW)
    return folder


def test_the_story_from_a_folder_to_a_resumed_run(home: Home, folder: Path) -> None:
    assert home.run("get", "nb", status=3) == ""
    assert not home.path.exists(), "a question makes nothing"
    home.run("create", "notebook", "lab", "-v", f"workspace={folder}", "-v", f"data={folder},ro")
    taken = home.run("checkpoint", "lab", "-m", "first").split()[0]
    assert home.dump("describe", taken)["message"] == "first"
    home.run("run", str(folder / "story.yaml"), "--notebook", "lab", status=1)
    (run,) = home.dump("get", "runs")
    join = next(step for step in run["steps"] if step["name"] == "join")
    assert join["attempts"][0]["exit_status"] == 1
    assert home.run("logs", f"{run['id']}/join") == "42\n"
    home.run("restore", join["attempts"][0]["before"], "--as", "fixing")
    home.run("exec", "fixing", "--", "touch", "/mnt/workspace/fixed")
    home.run("exec", "fixing", "--", "sh", "-c", "exit 7", status=7)
    home.run("resume", run["id"], "--notebook", "fixing")
    assert home.run("exec", "lab", "--", "ls", "/mnt/workspace").split() == ["number", "slow.yaml", "story.yaml"]


def test_ctrl_c_and_sigterm_cancel_a_run_and_leave_no_pod_behind(home: Home, folder: Path) -> None:
    home.run("create", "notebook", "lab", "-v", f"workspace={folder}")
    for number in (signal.SIGINT, signal.SIGTERM):
        process = home.start("run", str(folder / "slow.yaml"), "--notebook", "lab")
        assert wait_for_pod(home)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 130
        assert err.endswith("interrupted: the run is canceled; its steps have ended\n")
        assert home.run("get", "pods", "-o", "name").split() == ["pod/lab"]
    assert {run["status"] for run in home.dump("get", "runs")} == {"canceled"}


def test_a_run_in_the_background_is_waited_for_and_canceled(home: Home, folder: Path) -> None:
    home.run("create", "notebook", "lab", "-v", f"workspace={folder}")
    started = home.run("run", str(folder / "slow.yaml"), "--notebook", "lab", "--no-wait").split()[0]
    home.run("wait", "run", started.removeprefix("run/"), "--timeout", "0", status=1)
    assert home.run("cancel", started) == f"{started} canceled\n"
    assert home.dump("get", started)["status"] == "canceled"
    home.run("run", str(folder / "slow.yaml"), "--notebook", "missing", "--no-wait", status=3)


def wait_for_pod(home: Home) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if len(home.run("get", "pods", "-o", "name").split()) > 1:
            return True
        time.sleep(0.2)
    return False
