"""Giving back what a mounted file system does not use: FITRIM, one part of it after the other.

What comes back is a hole in the volume's file, and every hole is an extent more, for which each
snapshot pays: so small pieces of free space stay (docs/decisions/extents.md).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rokcsi.model.errors import NotSupported
from rokcsi.system.ioctls import settle_xfs, trim_filesystem
from rokcsi.system.linking import flush_filesystem

_SMALLEST_PIECE = 256 << 10
_REFUSED = frozenset({errno.EOPNOTSUPP, errno.ENOTTY})


def write_out(point: str) -> None:
    """Write out what is pending in the file system mounted at `point`, deletions included; raise OSError."""
    with _opened(point) as fd:
        flush_filesystem(fd)
        # XFS frees the blocks of a removed file some time later, and no sync waits for that.
        with suppress(OSError):
            settle_xfs(fd)


def trim(point: str, part: range) -> bool:
    """Trim a part, in bytes, of the file system mounted at `point`; tell whether it may go on behind that.

    Raises NotSupported where the device takes nothing back, OSError.
    """
    with _opened(point) as fd:
        try:
            trim_filesystem(fd, part.start, len(part), _SMALLEST_PIECE)
        except OSError as failure:
            if failure.errno == errno.EINVAL and part.start > 0:
                return False  # a file system may end before its device does
            if failure.errno in _REFUSED:
                raise NotSupported("the store below this volume takes nothing back") from failure
            raise
    return True


@contextmanager
def _opened(point: str) -> Iterator[int]:
    fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
