"""The demo, as `make demo` plays it: to its end, twice, killed half way, and removed again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.__main__ import main
from tests.e2e.conftest import HOUSE, loops_below, mounts_below, processes_of

LONGEST_SECONDS = 280


def play(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo", *words]
    return subprocess.run(
        command,
        cwd=HOUSE,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def kill_when_it_says(words: str, log: Path) -> None:
    """Start the demo and kill it, hard, as soon as it has written these words."""
    with log.open("w") as output:
        command = [sys.executable, "-m", "demo"]
        child = subprocess.Popen(
            command, cwd=HOUSE, stdout=output, stderr=output, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
    until = time.monotonic() + LONGEST_SECONDS
    while words not in log.read_text() and time.monotonic() < until and child.poll() is None:
        time.sleep(0.02)
    child.kill()
    child.wait(30)
    assert words in log.read_text(), log.read_text()


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_plays_to_its_end_after_it_was_killed_and_once_more_and_leaves_nothing(
    home: Path, tmp_path: Path
) -> None:
    kill_when_it_says("A notebook with three volumes", tmp_path / "log")
    kill_when_it_says("train-forest: attempt 1 started", tmp_path / "log")
    first = play()
    assert first.returncode == 0, first.stdout + first.stderr
    assert "What an earlier demo left was removed." in first.stdout
    again = play()
    assert again.returncode == 0, again.stdout + again.stderr
    for words in (
        "three volumes are in it",
        "it is the published result",
        "not one byte of its three volumes has changed",
    ):
        assert words in again.stdout
    removed = play("clean")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert not home.exists()
    assert (mounts_below(home), loops_below(home), processes_of(home)) == ([], [], [])


def test_there_is_nothing_to_remove_where_no_demo_was_played(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["demo", "clean"])
    assert main() == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert not home.exists()


def test_without_root_the_demo_says_so_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["demo"])
    assert main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "demo: the demo needs root for loop devices and mounts; run: sudo make demo\n"
