"""Runs that go on when their terminal is closed: the same command once more, as a process of its own."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import Busy
from rokcsi.model.history import Task
from rokcsi.pipeline.owner import ProcessOwner
from rokcsi.system.processes import ProcessIdentity, end_process, start_in_background

_BEGIN_SECONDS = 60.0
_END_SECONDS = 60.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Beginning:
    """What became of a command in the background: its `task`; or None, its exit status and what it `printed`."""

    task: Task | None
    status: int = 0
    printed: str = ""


def begun_in_background(arguments: Sequence[str], home: Path, task_of: Callable[[str], Task | None]) -> Beginning:
    """Start `rokctl ARGUMENTS` as a process of its own, and wait until it has begun a task or has ended.

    `task_of` looks for the task of a process, by its owner's name. Raises Busy where neither comes.
    """
    log = home / "background" / f"{secrets.token_hex(4)}.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log.touch(mode=0o600)
    command = [sys.executable, "-m", "rokcsi.cli.rokctl", *arguments]
    child = start_in_background(command, environment=os.environ, log=log)
    owner = ProcessOwner(child.pid).name
    until = time.monotonic() + _BEGIN_SECONDS
    while time.monotonic() < until:
        status = child.poll()  # asked before looking: a task begun in between is seen
        task = task_of(owner)
        if task is not None:
            return Beginning(task)
        if status is not None:
            return Beginning(None, status, log.read_text(encoding="utf-8"))
        time.sleep(_POLL_SECONDS)
    raise Busy(f"process {child.pid} has not begun its run yet; {log} tells what it is doing")


def canceled(task: Task) -> bool:
    """Interrupt the process that is at a task, and wait until it has cleaned up; tell whether there was one.

    Raises Busy where it does not end in time.
    """
    if not ProcessOwner().lives(task.owner):
        return False
    boot, pid, started = task.owner.split(":")
    process = ProcessIdentity(int(pid), int(started), boot)
    if not end_process(process, ask=signal.SIGTERM, grace_seconds=_END_SECONDS, force=signal.SIGTERM):
        raise Busy(f"process {pid} is still cleaning up; look again with `rokctl get tasks`")
    return True
