"""Starting programs: the one door. Nothing on the hot path goes through it.

Programs get an argument list, never a shell; they speak English (LC_ALL=C), have no
standard input, and a deadline after which they are killed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from rokcsi.model.errors import DidNotEnd, ToolFailed

_KILL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program printed, and the status it ended with."""

    stdout: str
    stderr: str
    status: int = 0


class Runner(Protocol):
    """Runs one program to its end."""

    def run(
        self, argv: Sequence[str], *, timeout_seconds: float = 60.0, accepted_statuses: Collection[int] = (0,)
    ) -> Completed:
        """Run a program; raise ToolFailed when it is missing, takes too long, or ends with another status than the accepted ones."""


class HostRunner:
    """Runs programs on this host.

    `held` is an open file, empty, that every program has as its standard input to its end, also
    when we die before: a lock on it tells whether one still runs.
    """

    def __init__(self, held: int | None = None) -> None:
        self._held = held

    def run(
        self, argv: Sequence[str], *, timeout_seconds: float = 60.0, accepted_statuses: Collection[int] = (0,)
    ) -> Completed:
        """Run a program; raise ToolFailed when it is missing, takes too long, or ends with another status than the accepted ones."""
        process = _started(argv, subprocess.DEVNULL if self._held is None else self._held, self._held)
        return _ended(process, argv, None, timeout_seconds, accepted_statuses)

    def waiting(self, argv: Sequence[str]) -> WaitingProgram:
        """Start a program that does nothing before it has read its standard input to the end; raise ToolFailed."""
        return WaitingProgram(_started(argv, subprocess.PIPE, self._held), argv)


class WaitingProgram:
    """A program that has been started, and waits to be told what to do."""

    def __init__(self, process: subprocess.Popen[bytes], argv: Sequence[str]) -> None:
        self._process = process
        self._argv = argv

    def is_waiting(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def told(self, text: str, *, timeout_seconds: float = 60.0, accepted_statuses: Collection[int] = (0,)) -> Completed:
        """Tell it what to do, and wait for its end; raise ToolFailed as `Runner.run` does."""
        return _ended(self._process, self._argv, text.encode(), timeout_seconds, accepted_statuses)

    def dismiss(self) -> None:
        """Let it end without having done anything."""
        self._process.kill()
        self._process.communicate()


def _started(argv: Sequence[str], stdin: int, held: int | None) -> subprocess.Popen[bytes]:
    try:
        # No preexec_fn: only without one does Python start the child with vfork.
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Who outlives us finds nobody to print to, and is not to die of that half way.
            restore_signals=held is None,
            # LVM complains of every descriptor but the first three.
            pass_fds=() if held is None or held == stdin else (held,),
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise ToolFailed(f"the program {argv[0]!r} is not installed here; install the package that has it") from error
    except OSError as error:
        raise ToolFailed(f"{shlex.join(argv)} could not be started: {error.strerror}") from error


def _ended(
    process: subprocess.Popen[bytes],
    argv: Sequence[str],
    told: bytes | None,
    timeout_seconds: float,
    accepted_statuses: Collection[int],
) -> Completed:
    try:
        stdout, stderr = (text.decode(errors="replace") for text in process.communicate(told, timeout_seconds))
    except subprocess.TimeoutExpired as error:
        _kill(process)
        raise DidNotEnd(f"{shlex.join(argv)} did not end within {timeout_seconds:g} s and was killed") from error
    except BaseException:
        process.kill()
        raise
    status = process.returncode
    if status not in accepted_statuses:
        raise ToolFailed(f"{shlex.join(argv)} ended with status {status}: {(stderr or stdout).strip()}")
    return Completed(stdout, stderr, status)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program; one that sits in the kernel is left to end there, and is collected when the next one is started."""
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_KILL_SECONDS)
