"""A mount without a place: a file system that can be asked, and is seen by nobody (fsmount(2)).

Gone with its descriptor, so with its process, whatever happens to that. Linux 5.2 or newer.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from rokcsi.system.log_replay import superblock_of

_FSMOUNT = 432  # the same number on every architecture that Linux has
_FSMOUNT_CLOEXEC = 1

_libc = ctypes.CDLL(None, use_errno=True)


def mount_nowhere(context: int) -> int:
    """Give a descriptor of a new mount of an fsopen(2) context's superblock (an O_PATH one); raise OSError."""
    mount = _libc.syscall(_FSMOUNT, context, _FSMOUNT_CLOEXEC, 0)
    if mount < 0:
        raise OSError(ctypes.get_errno(), "fsmount")
    return int(mount)


class DetachedMount:
    """A file system mounted for us alone, read-only unless `flags` say otherwise."""

    def __init__(self, source: Path, filesystem: str, flags: Iterable[str] = ("ro",)) -> None:
        with superblock_of(source, filesystem, flags) as context:
            self._fd = mount_nowhere(context)

    def available(self) -> int:
        """Give the bytes that may still be written to it."""
        usage = os.fstatvfs(self._fd)
        return usage.f_bavail * usage.f_frsize

    def close(self) -> None:
        """Let go of the file system."""
        os.close(self._fd)
