"""A driver at hand: `rokcsi serve all` started in the background when nobody has, and stopped again.

The driver is a service; on a laptop nobody wants to start one. `rokctl` calls
`ensure_running`; two at once start one, since the lock is held until the driver answers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rokcsi.local.csi_client import CsiClient
from rokcsi.model.errors import DriverAway, InvalidRequest
from rokcsi.system.file_locks import locked_file
from rokcsi.system.processes import Children, ProcessIdentity, end_process, is_alive, start_in_background

_READY_SECONDS = 60.0
_DRAIN_SECONDS = 30.0
_LONGEST_SOCKET = 107  # sun_path of unix(7), without its NUL
_LINES_SHOWN = 10
_CHILDREN = Children()


def socket_of(home: Path) -> Path:
    """Give where the driver of this home folder listens; raise InvalidRequest where the path is too long for a socket."""
    socket = home / "run" / "csi.sock"
    if len(os.fsencode(socket)) > _LONGEST_SOCKET:
        raise InvalidRequest(f"{home} is too long a path for a socket's folder; choose a home of at most 94 bytes")
    return socket


def log_of(home: Path) -> Path:
    """Give where a driver started by `ensure_running` writes its log."""
    return home / "driver.log"


def serve_command(home: Path, pool: str | None = None) -> list[str]:
    """Give the command that serves the driver of this home folder; without a pool, the one on files in it."""
    program = [sys.executable, "-m", "rokcsi.cli.entry", "serve", "all"]
    return [
        *program,
        "--home",
        str(home),
        "--endpoint",
        f"unix://{socket_of(home)}",
        "--pool",
        pool or f"loopfile:{home / 'pool'}",
    ]


def ensure_running(home: Path, command: Sequence[str] | None = None) -> Path:
    """Make sure that a driver answers on this home's socket; give the socket.

    `command` (None: `serve_command`) is started in a session of its own if nobody answers.
    Raises DriverAway with the last lines of its log where it does not come up.
    """
    home = home.absolute()
    socket = socket_of(home)
    if _answers(socket):
        return socket
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked_file(home / "driver.lock"):
        if not _answers(socket):
            socket.parent.mkdir(mode=0o700, exist_ok=True)
            _start(home, socket, list(command or serve_command(home)))
    return socket


def stop(home: Path) -> bool:
    """Stop the driver that `ensure_running` has started, and no other; tell whether there was one.

    Calls under way are let end. Raises DriverAway where it does not stop.
    """
    home = home.absolute()
    if not home.is_dir():
        return False
    with locked_file(home / "driver.lock"):
        process = _remembered(home)
        if process is None or not is_alive(process):
            return False
        if not end_process(process, ask=signal.SIGTERM, grace_seconds=_DRAIN_SECONDS, force=signal.SIGKILL):
            raise DriverAway(f"the driver (process {process.pid}) does not stop; see {log_of(home)}")
        _CHILDREN.reap(process)
        _record(home).unlink(missing_ok=True)
        return True


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    client = CsiClient(socket)
    try:
        return client.is_ready()
    finally:
        client.close()


def _start(home: Path, socket: Path, command: list[str]) -> None:
    before = _remembered(home)
    if before is None or not is_alive(
        before
    ):  # else it is coming up, or busy: started by one who was killed while waiting
        log_of(home).touch(mode=0o600)
        child = start_in_background(command, environment=os.environ, log=log_of(home))
        before = _CHILDREN.keep(child)
        _record(home).write_text(json.dumps(asdict(before)), encoding="utf-8")
    until = time.monotonic() + _READY_SECONDS
    while not _answers(socket):
        if not is_alive(before):
            _CHILDREN.reap(before)
            raise DriverAway(
                f"the driver ended while it started; {log_of(home)} ends with:\n{_last_lines(log_of(home))}"
            )
        if time.monotonic() > until:
            raise DriverAway(
                f"the driver (process {before.pid}) does not answer; {log_of(home)} ends with:\n{_last_lines(log_of(home))}"
            )
        time.sleep(0.02)


def _record(home: Path) -> Path:
    return home / "driver.json"


def _remembered(home: Path) -> ProcessIdentity | None:
    try:
        return ProcessIdentity(**json.loads(_record(home).read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LINES_SHOWN:])
