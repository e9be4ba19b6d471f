"""A home of its own for each test here, taken away whatever happens; nothing may be left of it on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.local.driver import stop
from rokcsi.sdk import connect

HOUSE = Path(__file__).parents[2]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a home's path, short enough for a socket; nothing is there yet. What a test leaves in it is removed."""
    folder = Path(tempfile.mkdtemp(prefix="rokcsi-e2e-"))
    monkeypatch.setenv("ROKCSI_HOME", str(folder / "home"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    yield folder / "home"
    try:
        if (folder / "home").exists():
            _empty(folder / "home")
        assert (mounts_below(folder), loops_below(folder), processes_of(folder)) == ([], [], [])
    finally:
        _take_away(folder)
    shutil.rmtree(folder)


def _empty(home: Path) -> None:
    with connect(home) as session:
        for version in session.checkpoints():
            session.pin(version, pinned=False)
        for run in session.runs():
            session.delete_run(run)
        for notebook in session.notebooks():
            session.delete_notebook(notebook)
        for version in session.checkpoints():
            session.delete_checkpoint(version)
    stop(home)


def _take_away(folder: Path) -> None:
    """Remove by force what a failure has left: the driver, the mounts, the loop devices."""
    if (folder / "home").is_dir():
        stop(folder / "home")
    for point in reversed(mounts_below(folder)):
        subprocess.run(["umount", "--lazy", point], check=False, timeout=30)
    for line in loops_below(folder):
        subprocess.run(["losetup", "--detach", line.split()[0]], check=False, timeout=30)


def mounts_below(folder: Path) -> list[str]:
    """Give the mount points below a folder."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{folder}/")]


def loops_below(folder: Path) -> list[str]:
    """Give the loop devices whose file lies below a folder."""
    said = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return [line for line in said.stdout.splitlines() if f" {folder}/" in line]


def processes_of(folder: Path) -> list[str]:
    """Give the processes that have a folder's path in their arguments or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if int(process.name) != os.getpid() and f"{folder}/".encode() in told:
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found
