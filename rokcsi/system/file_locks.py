"""Locks between processes: flock(2) on a small file that vanishes with the thing it guards.

Called by the local cluster, which may be several programs at once. The kernel lets go of
the lock of a process that dies, so there is nothing to clean up.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rokcsi.model.errors import LockTimeout

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.001, 0.05


@contextmanager
def locked_file(path: Path, *, shared: bool = False, timeout_seconds: float = 300.0) -> Iterator[None]:
    """Hold the lock for the length of the block; raise LockTimeout.

    The holder may unlink the file to be rid of it: whoever waits notices and makes another.
    """
    descriptor = _locked(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, time.monotonic() + timeout_seconds)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path, kind: int, until: float) -> int:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _lock(descriptor, kind) and _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)
        if time.monotonic() > until:
            raise LockTimeout(f"another program has held {path} for too long; see with `fuser {path}` which one")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
