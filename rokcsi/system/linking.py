"""Files that have no name until they are complete, and flushes that reach the disk.

Called by the pool. A file made by `unnamed_file` vanishes with its descriptor unless
`give_name` has linked it: a crash in between leaves nothing behind (O_TMPFILE, open(2)).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_AT_FDCWD = -100
_AT_SYMLINK_FOLLOW = 0x400
_libc = ctypes.CDLL(None, use_errno=True)
_libc.linkat.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
_libc.syncfs.argtypes = [ctypes.c_int]


def unnamed_file(folder: Path, mode: int = 0o600) -> int:
    """Open a new file without a name on the folder's file system, for reading and writing; OSError where O_TMPFILE is unknown."""
    return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode)


def give_name(fd: int, path: Path) -> None:
    """Link an unnamed file to a path; raise FileExistsError when the path is taken."""
    # os.link has no AT_SYMLINK_FOLLOW for the kernel's magic link, and AT_EMPTY_PATH asks for a capability.
    if _libc.linkat(_AT_FDCWD, b"/proc/self/fd/%d" % fd, _AT_FDCWD, os.fsencode(path), _AT_SYMLINK_FOLLOW) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(path))


def flush_filesystem(fd: int) -> None:
    """Write out everything of the file system of this descriptor (syncfs(2)); raise OSError."""
    if _libc.syncfs(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def flush_every_filesystem() -> None:
    """Write out everything of all file systems, whoever sees them mounted (sync(2))."""
    os.sync()


def flush_folder(path: Path) -> None:
    """Make the names in a folder durable with one fsync(2); raise OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
