"""Who is at work, and whether it still lives."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from rokcsi.pipeline.owner import ProcessOwner


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_this_process_lives_and_an_ended_one_does_not() -> None:
    with subprocess.Popen(["sleep", "30"]) as child:
        name = ProcessOwner(child.pid).name
        assert ProcessOwner().lives(name)
        child.kill()
        while _state(child.pid) != "Z":
            time.sleep(0.01)
        assert not ProcessOwner().lives(name), "killed, but not yet collected"
    assert not ProcessOwner().lives(name)
    assert ProcessOwner().lives(ProcessOwner().name)


def test_a_process_of_another_boot_or_a_strange_name_does_not_live() -> None:
    mine = ProcessOwner().name
    _, pid, started = mine.split(":")
    for name in (
        f"00000000-0000-0000-0000-000000000000:{pid}:{started}",
        f"{mine}9",
        "",
        "x",
        ":::",
        mine.replace(pid, "-1"),
    ):
        assert not ProcessOwner().lives(name)
