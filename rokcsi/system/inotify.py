"""Waiting until something happens to a file: inotify(7), so that nobody has to look again and again."""

from __future__ import annotations

import ctypes
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CREATED = 0x100
CLOSED = 0x08 | 0x10
_CLOEXEC, _NONBLOCK = 0o2000000, 0o4000
_ENOUGH = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """What has happened to a path since the watch began."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def await_event(self, seconds: float) -> bool:
        """Wait until something happens; tell whether it did within this time. What has happened by then counts as one."""
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        if not waiting.poll(max(0.0, seconds) * 1000):
            return False
        os.read(self._fd, _ENOUGH)
        return True


@contextmanager
def watching(path: Path, events: int) -> Iterator[Watch]:
    """Watch a file or folder for the length of a block; raise OSError."""
    fd = _checked(_libc.inotify_init1(_CLOEXEC | _NONBLOCK))
    try:
        _checked(_libc.inotify_add_watch(fd, os.fsencode(path), events))
        yield Watch(fd)
    finally:
        os.close(fd)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)
