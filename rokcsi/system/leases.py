"""Whether anybody has a file open for writing, asked of the kernel in one step.

Called by `loops` before a file is attached. The kernel grants a read lease only while
nobody writes, in any process, mount namespace or loop device: see fcntl(2), F_SETLEASE.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from pathlib import Path

_DOUBTFUL = frozenset({errno.EAGAIN, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP})


def may_be_written(path: Path) -> bool:
    """Tell whether somebody has the file open for writing; also True where the file system knows no leases. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        # A writer who comes this moment breaks the lease: SIGIO, the default, would kill us, SIGURG is ignored.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno in _DOUBTFUL:
            return True
        raise
    finally:
        os.close(fd)
    return False
