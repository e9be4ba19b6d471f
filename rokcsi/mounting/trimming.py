"""Giving back what a mounted file system does not use: FITRIM, one part of it after the other.

What comes back is a hole in the volume's file, and every hole is an extent more, for which each
snapshot pays: so small pieces of free space stay (docs/decisions/extents.md).
"""

from __future__ import annotations

import errno
import os

from rokcsi.model.errors import NotSupported
from rokcsi.system.ioctls import trim_filesystem

_SMALLEST_PIECE = 256 << 10
_REFUSED = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOTSUP})


def trim(fd: int, part: range) -> bool:
    """Trim a part of the mounted file system of this descriptor; tell whether there is more behind it.

    Raises NotSupported where the device takes nothing back, OSError.
    """
    try:
        trim_filesystem(_readable(fd), part.start, len(part), _SMALLEST_PIECE)
    except OSError as failure:
        if failure.errno == errno.EINVAL and part.start > 0:
            return False  # the file system ends before its device does
        if failure.errno in _REFUSED:
            raise NotSupported("the store below this volume takes nothing back") from failure
        raise
    return True
