"""Starting programs: the one door. Nothing on the hot path goes through it.

Programs get an argument list, never a shell; they speak English (LC_ALL=C), have no
standard input, and a deadline after which they are killed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from rokcsi.model.errors import ToolFailed


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
        try:
            # No preexec_fn: only without one does Python start the child with vfork.
            ended = subprocess.run(
                list(argv),
                stdin=subprocess.DEVNULL if self._held is None else self._held,
                capture_output=True,
                check=False,
                timeout=timeout_seconds,
                # Who outlives us finds nobody to print to, and is not to die of that half way.
                restore_signals=self._held is None,
                env={**os.environ, "LC_ALL": "C"},
            )
        except FileNotFoundError as error:
            raise ToolFailed(
                f"the program {argv[0]!r} is not installed here; install the package that has it"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise ToolFailed(f"{shlex.join(argv)} did not end within {timeout_seconds:g} s and was killed") from error
        except OSError as error:
            raise ToolFailed(f"{shlex.join(argv)} could not be started: {error.strerror}") from error
        stdout, stderr = (text.decode(errors="replace") for text in (ended.stdout, ended.stderr))
        if ended.returncode not in accepted_statuses:
            raise ToolFailed(f"{shlex.join(argv)} ended with status {ended.returncode}: {(stderr or stdout).strip()}")
        return Completed(stdout, stderr, ended.returncode)
