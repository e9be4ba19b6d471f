"""Starting a command in a sandbox: the parent's side of the trampoline.

The child waits until `remember` has returned, so that a crash of ours between the start and
the record leaves no process that nobody knows of.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Protocol

from rokcsi.model.errors import SystemCallFailed
from rokcsi.system.processes import Children, ProcessIdentity, send_signal
from rokcsi.system.sandbox.plan import SandboxPlan

_TRAMPOLINE = Path(__file__).with_name("trampoline.py")
_START_SECONDS = 60.0
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

Remember = Callable[[ProcessIdentity], None]


class Sandbox(Protocol):
    """Runs commands that see a pod's volumes; see `HostSandbox` for what its verbs promise."""

    def start(self, plan: SandboxPlan, log: Path, remember: Remember) -> ProcessIdentity:
        """Start a command in the background; raise SystemCallFailed."""

    def run(self, plan: SandboxPlan, remember: Remember) -> int:
        """Run a command where the caller's input and output are; give its status."""

    def reap(self, process: ProcessIdentity) -> None:
        """Forget a process that has ended."""


@dataclass(slots=True)
class _Reports:
    """The lines that the trampoline sends; they end when it has ended."""

    descriptor: int
    rest: bytes = b""

    def next(self, timeout_seconds: float | None = None) -> dict[str, object]:
        """Give the next line; an empty one when there will be none; raise SystemCallFailed when none comes in time."""
        while b"\n" not in self.rest:
            if not select.select([self.descriptor], [], [], timeout_seconds)[0]:
                raise SystemCallFailed(
                    f"the sandbox did not start within {timeout_seconds} s; is the machine overloaded?"
                )
            more = os.read(self.descriptor, 4096)
            if not more:
                return {}
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        said: dict[str, object] = json.loads(line)
        return said


@dataclass(frozen=True, slots=True)
class _Output:
    """Where a sandbox's input and output go: a log file, or (None) where the caller's go."""

    log: Path | None

    @contextmanager
    def streams(self) -> Iterator[dict[str, int | None]]:
        """Give the arguments of Popen for it."""
        if self.log is None:
            yield {"stdin": None, "stdout": None, "stderr": None}
            return
        with self.log.open("ab") as log:
            yield {"stdin": subprocess.DEVNULL, "stdout": log.fileno(), "stderr": subprocess.STDOUT}


@contextmanager
def _trampoline(
    plan: SandboxPlan, output: _Output, children: Children, remember: Remember
) -> Iterator[tuple[ProcessIdentity, _Reports]]:
    """Start the trampoline and give it the word to go once it is remembered; close our ends of its pipes afterwards."""
    planned = os.memfd_create("plan")
    os.write(planned, plan.to_json().encode())
    os.lseek(planned, 0, os.SEEK_SET)
    waits, go = os.pipe()
    reports, tells = os.pipe()
    try:
        try:
            child = _spawn((planned, waits, tells), output, terminal=plan.terminal)
        finally:
            for theirs in (planned, waits, tells):
                os.close(theirs)
        process = children.keep(child)
        remember(process)
        os.write(go, b"!")
        yield process, _Reports(reports)
    finally:
        os.close(go)
        os.close(reports)


def _spawn(descriptors: tuple[int, ...], output: _Output, *, terminal: bool) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-I", "-S", str(_TRAMPOLINE), *(str(descriptor) for descriptor in descriptors)]
    with output.streams() as streams:
        child: subprocess.Popen[bytes] = subprocess.Popen(
            argv,
            pass_fds=descriptors,
            env={},
            cwd="/",
            # On a terminal we stay in its foreground group, else Ctrl-C and reading would not reach the command.
            start_new_session=output.log is not None,
            process_group=None if terminal or output.log is not None else 0,
            **streams,  # type: ignore[call-overload]  # a mapping of three optional numbers
        )
    return child


class HostSandbox:
    """Starts sandboxes on this host, and reaps those that it has started."""

    def __init__(self) -> None:
        self._children = Children()

    def start(self, plan: SandboxPlan, log: Path, remember: Remember) -> ProcessIdentity:
        """Start a command in the background, printing into `log`; raise SystemCallFailed when its sandbox cannot be made.

        A command that is missing is not an error here: it ends with status 127, as in a container.
        """
        with _trampoline(plan, _Output(log), self._children, remember) as (process, reports):
            first = reports.next(_START_SECONDS)
        if "refused" in first or not first:
            self._children.reap(process)
            raise SystemCallFailed(str(first.get("refused", "the pod was killed while it started")))
        return process

    def run(self, plan: SandboxPlan, remember: Remember) -> int:
        """Run a command on the caller's terminal, or its pipes, to its end; give its status (negative: the signal's number).

        Signals sent to this process meanwhile reach the command. Raises SystemCallFailed.
        """
        plan = replace(plan, terminal=os.isatty(0))
        with (
            _trampoline(plan, _Output(None), self._children, remember) as (process, reports),
            _forwarding(process, plan),
        ):
            said = reports.next(_START_SECONDS)
            if said.get("running"):
                said = reports.next()
            self._children.reap(process)
        if "refused" in said:
            raise SystemCallFailed(str(said["refused"]))
        status = said.get("ended", -signal.SIGKILL)
        assert isinstance(status, int)  # noqa: S101 - what the trampoline writes
        return status

    def reap(self, process: ProcessIdentity) -> None:
        """Let the kernel forget a sandbox that has ended."""
        self._children.reap(process)


@contextmanager
def _forwarding(process: ProcessIdentity, plan: SandboxPlan) -> Iterator[None]:
    """Pass our signals on to the process; Python allows that in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def forward(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            send_signal(process, signal.Signals(number))

    before = {number: signal.getsignal(number) for number in _FORWARDED}
    try:
        for number in _FORWARDED:
            # The terminal sends its Ctrl-C to the command itself.
            signal.signal(number, signal.SIG_IGN if plan.terminal and number == signal.SIGINT else forward)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
