"""A file system's superblock without a mount: what its log holds is replayed by making one.

Called by the mounter before it looks at a file system, and by `unseen_mounts`. fsopen(2) makes the superblock without a mount point, so nothing is left behind when the
process dies in the middle: the kernel lets go of it with the descriptor. Linux 5.2 or newer.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FSOPEN = 430  # the same numbers on every architecture that Linux has
_FSCONFIG = 431
_FSOPEN_CLOEXEC = 1
_SET_FLAG, _SET_STRING, _CREATE = 0, 1, 6

_libc = ctypes.CDLL(None, use_errno=True)


def replay_log(device: Path, filesystem: str, flags: Iterable[str] = ()) -> None:
    """Replay the log of a file system that is not mounted; raise OSError where the kernel will not have it."""
    with superblock_of(device, filesystem, flags):
        pass


@contextmanager
def superblock_of(device: Path, filesystem: str, flags: Iterable[str] = ()) -> Iterator[int]:
    """Give an fsopen(2) context with the file system's superblock, the one in use when it is mounted; raise OSError."""
    context = _checked(_libc.syscall(_FSOPEN, filesystem.encode(), _FSOPEN_CLOEXEC), device)
    try:
        _configure(context, device, _SET_STRING, b"source", os.fsencode(device))
        for flag in flags:
            _configure(context, device, _SET_FLAG, flag.encode(), None)
        _configure(context, device, _CREATE, None, None)
        yield context
    finally:
        os.close(context)


def _configure(context: int, device: Path, command: int, key: bytes | None, value: bytes | None) -> None:
    _checked(_libc.syscall(_FSCONFIG, context, command, key, value, 0), device)


def _checked(result: int, device: Path) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(device))
    return result
