"""Who is at work on a task, so that a later process can tell whether it was left behind.

A process is named by the boot, its number and the moment it started: numbers are used again.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

# Of /proc/PID/stat, counted behind the closing parenthesis; proc(5): state, starttime.
_STATE_FIELD, _STARTED_FIELD = 0, 19
_ENDED = {"Z", "X", "x"}  # killed, and not yet collected by its parent


class Owner(Protocol):
    """Names the present process, and knows whether another one still lives."""

    @property
    def name(self) -> str:
        """What to write into a task."""

    def lives(self, name: str) -> bool:
        """Tell whether the process that wrote this name is still there."""


@dataclass(frozen=True, slots=True)
class ProcessOwner:
    """A process of this machine."""

    pid: int = field(default_factory=os.getpid)

    @property
    def name(self) -> str:
        """The boot's id, the process's number, the tick it started at."""
        return f"{_boot()}:{self.pid}:{_started(self.pid)}"

    def lives(self, name: str) -> bool:
        """Tell whether that process is still there; one of another boot is not."""
        boot, _, rest = name.partition(":")
        pid, _, started = rest.partition(":")
        return boot == _boot() and pid.isdecimal() and started != "" and _started(int(pid)) == started


@functools.cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[_STATE_FIELD] in _ENDED else fields[_STARTED_FIELD]
