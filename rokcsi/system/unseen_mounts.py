"""Thawing a file system whose mount cannot be seen from here, since it is in another mount namespace.

Called when a pool is opened by a driver that starts in a container of its own. The superblock
is the same in all namespaces; it gets one more mount (fsmount(2)), which has no place and is
gone with its descriptor. Linux 5.2 or newer.
"""

from __future__ import annotations

import os
from pathlib import Path

from rokcsi.system.detached_mount import mount_nowhere
from rokcsi.system.ioctls import thaw_filesystem
from rokcsi.system.log_replay import superblock_of
from rokcsi.system.superblock import filesystem_size

_FLAGS = {"xfs": ("nouuid",)}


def thaw_unseen(device: Path) -> bool:
    """Thaw the XFS or ext4 that is mounted somewhere from this device; False when it was not frozen, or there is none."""
    try:
        found = filesystem_size(device)
        if found is None:
            return False
        with superblock_of(device, found.kind, _FLAGS.get(found.kind, ())) as context:
            _thaw_mounted(context)
    except OSError:
        return False
    return True


def _thaw_mounted(context: int) -> None:
    mount = mount_nowhere(context)
    try:
        # The mount's own descriptor is an O_PATH one, which takes no ioctl.
        root = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=mount)
        try:
            thaw_filesystem(root)
        finally:
            os.close(root)
    finally:
        os.close(mount)
