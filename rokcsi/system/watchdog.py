"""The driver's end of the thaw watchdog: told before a freeze or a suspend, and told again after it.

Called by `freezing` and `suspending`. The watchdog is a process of its own, since a killed
driver can thaw nothing. It is started when it is first needed, and again if somebody has killed it.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import SystemCallFailed

_END_SECONDS = 10
_PROGRAM = Path(__file__).with_name("thaw_watchdog.py")


@dataclass(frozen=True, slots=True)
class FrozenPoint:
    """A file system that is about to be frozen: where it is mounted, and its device as in st_dev."""

    device: int
    path: Path

    def __str__(self) -> str:
        return f"point:{self.device}:{os.fsencode(self.path).hex()}"


@dataclass(frozen=True, slots=True)
class SuspendedDevice:
    """A device of the device mapper that is about to be suspended, by its name."""

    name: str

    def __str__(self) -> str:
        return f"device:{self.name.encode().hex()}"


@dataclass(frozen=True, slots=True)
class LentDevice:
    """A mapped device that a command of ours suspends and resumes, which may outlive us: it is left the time to do so."""

    name: str

    def __str__(self) -> str:
        return f"lent:{self.name.encode().hex()}"


Stopped = FrozenPoint | SuspendedDevice | LentDevice


class NotLetGo(SystemCallFailed):
    """Something that was stopped could not be let go by us; the watchdog still tries."""


class Watchdog:
    """Lets go what is armed when this process dies, or when `limit_seconds` have passed.

    `held` is an open file whose lock it shares: it goes on for some seconds after us, and whoever
    comes next waits for its end by that lock. Otherwise it would let go what they have stopped.
    """

    def __init__(self, limit_seconds: float = 2.0, *, held: int | None = None) -> None:
        self.limit_seconds = limit_seconds
        self._held = () if held is None else (held,)
        self._process: subprocess.Popen[bytes] | None = None
        self._armed: dict[int, bytes] = {}
        self._ids = itertools.count(1)
        self._mutex = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The watchdog's process id, None before the first freeze."""
        return self._process.pid if self._process is not None else None

    @contextmanager
    def watching(self, stopped: Sequence[Stopped], limit_seconds: float | None = None) -> Iterator[None]:
        """Be armed for the length of the block, and longer when that raises NotLetGo; raise SystemCallFailed."""
        watch = self.arm(stopped, limit_seconds)
        try:
            yield
        except NotLetGo:
            raise
        except BaseException:
            self.disarm(watch)
            raise
        self.disarm(watch)

    def arm(self, stopped: Sequence[Stopped], limit_seconds: float | None = None) -> int:
        """Have these let go in the worst case, within another limit than the usual one if need be.

        Gives the number to disarm. Raises SystemCallFailed.
        """
        limit = self.limit_seconds if limit_seconds is None else limit_seconds
        with self._mutex:
            id_ = next(self._ids)
            line = f"arm {id_} {limit} {' '.join(map(str, stopped))}\n".encode()
            self._armed[id_] = line
            self._tell(line)
        return id_

    def disarm(self, id: int) -> None:
        """Say that these are let go."""
        with self._mutex:
            self._armed.pop(id, None)
            self._tell(f"disarm {id}\n".encode())

    def close(self) -> None:
        """Let the watchdog end."""
        with self._mutex:
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
                self._end(self._process)
                self._process = None

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the watchdog's end; one with nothing to let go that takes long, being still about to start, is killed."""
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            if not self._armed:
                process.kill()
                process.wait()

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
                [sys.executable, "-I", "-S", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                bufsize=0,
                pass_fds=self._held,
                start_new_session=True,
            )
            self._write(b"".join(self._armed.values()))
        except OSError as error:
            raise SystemCallFailed(
                f"the thaw watchdog did not start, so no writer is stopped: {error.strerror}"
            ) from error

    def _write(self, lines: bytes) -> None:
        assert self._process is not None  # noqa: S101 - for the type checker; both callers have just made sure
        assert self._process.stdin is not None  # noqa: S101 - for the type checker; it is a pipe
        view = memoryview(lines)
        while view:
            view = view[self._process.stdin.write(view) or 0 :]
