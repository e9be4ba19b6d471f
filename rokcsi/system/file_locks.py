"""Locks between processes: flock(2) on a small file that vanishes with the thing it guards.

`locked_file` is called by the local cluster, which may be several programs at once;
`lock_alone` by pools, which only one driver may serve, and `lock_shared_after_others` by those
whose commands may outlive them. The kernel lets go of
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

_LOCKS = Path("/proc/locks")
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


def lock_alone(fd: int) -> bool:
    """Take the lock of an open file; False when another one has it. Raises OSError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_shared_after_others(fd: int, timeout_seconds: float) -> bool:
    """Wait until nobody has the lock of an open file, then share it; False when somebody still has it by then.

    It is shared with every process that is given the same open file, until the last of them ends.
    """
    if not lock_alone_within(fd, timeout_seconds):
        return False
    fcntl.flock(fd, fcntl.LOCK_SH)
    return True


def lock_alone_within(fd: int, seconds: float) -> bool:
    """Take the lock of an open file as soon as it is free; False when that takes longer than `seconds`. Raises OSError."""
    until, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while not lock_alone(fd):
        if time.monotonic() > until:
            return False
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    return True


def holder_of(fd: int) -> int | None:
    """Give the process that holds a file's lock, None when it cannot be seen from this pid namespace."""
    file = os.fstat(fd)
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for line in _LOCKS.read_text().splitlines():
        # 7: FLOCK  ADVISORY  WRITE 1234 fe:00:10010686 0 EOF
        fields = line.split()
        if place in fields and fields[1] == "FLOCK" and fields[4].isdecimal() and fields[4] != "0":
            return int(fields[4])
    return None
