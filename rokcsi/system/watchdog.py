"""The driver's end of the thaw watchdog: told before a freeze, and told again after the thaw.

Called by `freezing`. The watchdog is a process of its own, since a killed driver can thaw
nothing. It is started at the first freeze, and again if somebody has killed it.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import SystemCallFailed

_PROGRAM = Path(__file__).with_name("thaw_watchdog.py")


@dataclass(frozen=True, slots=True)
class FrozenPoint:
    """A file system that is about to be frozen: where it is mounted, and its device as in st_dev."""

    device: int
    path: Path


class Watchdog:
    """Thaws what is armed when this process dies, or when `limit_seconds` have passed."""

    def __init__(self, limit_seconds: float = 2.0) -> None:
        self.limit_seconds = limit_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._armed: dict[int, bytes] = {}
        self._ids = itertools.count(1)
        self._mutex = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The watchdog's process id, None before the first freeze."""
        return self._process.pid if self._process is not None else None

    def arm(self, points: Sequence[FrozenPoint]) -> int:
        """Have these file systems thawed in the worst case; give the number to disarm. Raises SystemCallFailed."""
        systems = " ".join(f"{point.device}:{os.fsencode(point.path).hex()}" for point in points)
        with self._mutex:
            id_ = next(self._ids)
            self._armed[id_] = line = f"arm {id_} {systems}\n".encode()
            self._tell(line)
        return id_

    def disarm(self, id: int) -> None:
        """Say that these file systems are thawed."""
        with self._mutex:
            self._armed.pop(id, None)
            self._tell(f"disarm {id}\n".encode())

    def close(self) -> None:
        """Let the watchdog end."""
        with self._mutex:
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
                self._process.wait(10)
                self._process = None

    def _tell(self, line: bytes) -> None:
        if self._process is None:
            self._start()
            return
        try:
            self._write(line)
        except BrokenPipeError:
            self._process.wait(10)
            self._start()

    def _start(self) -> None:
        """Start the program and tell it everything that is armed now."""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM), str(self.limit_seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                bufsize=0,
                start_new_session=True,
            )
            self._write(b"".join(self._armed.values()))
        except OSError as error:
            raise SystemCallFailed(
                f"the thaw watchdog did not start, so nothing is frozen: {error.strerror}"
            ) from error

    def _write(self, lines: bytes) -> None:
        assert self._process is not None  # noqa: S101 - for the type checker; both callers have just made sure
        assert self._process.stdin is not None  # noqa: S101 - for the type checker; it is a pipe
        view = memoryview(lines)
        while view:
            view = view[self._process.stdin.write(view) or 0 :]
