"""Processes that outlive the one that started them: found again, signalled and awaited safely.

A pid alone is no identity, since pids are used again; with the start time and the boot it
is. Signals go through a pidfd (pidfd_open(2)), so that they can only reach the very process
that was meant. Called by the local cluster for its pods and for the driver.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process for ever: `start_ticks` is its start in clock ticks since the boot called `boot`."""

    pid: int
    start_ticks: int
    boot: str


@cache
def _this_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _stat_fields(pid: int) -> list[str] | None:
    """Give the fields of proc_pid_stat(5) from the third on (the second may hold spaces); None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def identity_of(pid: int) -> ProcessIdentity | None:
    """Give the identity of the process that has this pid now; None when there is none."""
    fields = _stat_fields(pid)
    return None if fields is None else ProcessIdentity(pid, int(fields[19]), _this_boot())


def is_alive(process: ProcessIdentity) -> bool:
    """Tell whether this very process still runs; one that only waits to be reaped does not."""
    fields = _stat_fields(process.pid)
    if fields is None or process.boot != _this_boot():
        return False
    return fields[0] not in {"Z", "X"} and int(fields[19]) == process.start_ticks


def _opened(process: ProcessIdentity) -> int | None:
    """Give a pidfd of this very process; None when it has ended."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if is_alive(process):  # asked after opening: from here on the descriptor is tied to what we looked at
        return descriptor
    os.close(descriptor)
    return None


def send_signal(process: ProcessIdentity, number: signal.Signals) -> bool:
    """Send a signal to this very process; tell whether it was still there."""
    descriptor = _opened(process)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def wait_ended(process: ProcessIdentity, timeout_seconds: float | None = None) -> bool:
    """Wait until this process has ended, anybody's child; tell whether it has."""
    descriptor = _opened(process)
    if descriptor is None:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        limit = None if timeout_seconds is None else max(0, int(timeout_seconds * 1000))
        return bool(poll.poll(limit))
    finally:
        os.close(descriptor)


def end_process(process: ProcessIdentity, *, ask: signal.Signals, grace_seconds: float, force: signal.Signals) -> bool:
    """Ask a process to end, force it after the grace; tell whether it has ended (a few seconds after the force)."""
    if send_signal(process, ask) and not wait_ended(process, grace_seconds):
        send_signal(process, force)
    return wait_ended(process, 5.0)


def only_child(process: ProcessIdentity) -> int | None:
    """Give the pid of the process's child; None when it has none (yet), or has ended."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(children[0]) if children and is_alive(process) else None


class Children:
    """The processes that this one has started and must reap; safe to use from several threads."""

    def __init__(self) -> None:
        self._started: dict[int, subprocess.Popen[bytes]] = {}

    def keep(self, child: subprocess.Popen[bytes]) -> ProcessIdentity:
        """Take over a fresh child, which nobody has reaped yet; give its identity."""
        self._started[child.pid] = child
        identity = identity_of(child.pid)
        assert identity is not None  # noqa: S101 - a child that nobody has reaped is in /proc
        return identity

    def reap(self, process: ProcessIdentity) -> None:
        """Let the kernel forget a child that has ended; nothing happens for a process of somebody else."""
        child = self._started.pop(process.pid, None)
        if child is not None:
            child.wait(timeout=5.0)


def start_in_background(argv: Sequence[str], *, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with no input, printing into `log` (appended)."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
