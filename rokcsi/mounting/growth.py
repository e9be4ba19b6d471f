"""Growing a file system while it is mounted: an ioctl(2) on its mount point, and no program.

XFS grows whenever it is asked to. ext4 needs CAP_SYS_RESOURCE and a descriptor table with
room left; where it has not, the volume's next stage grows it before the mount.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from rokcsi.model.errors import NotSupported, SystemCallFailed
from rokcsi.mounting.ext4 import read_ext4
from rokcsi.system.block_devices import device_size
from rokcsi.system.ioctls import grow_xfs, resize_ext4, xfs_geometry
from rokcsi.system.superblock import filesystem_size

# The kernel leaves out a last allocation group below this (XFS_MIN_AG_BLOCKS): less than
# that may be missing for ever.
_SMALLEST_XFS_GROUP_BLOCKS = 64
_ONLINE_REFUSED = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOTSUP})


def grow_mounted(device: Path, point: Path | str, filesystem: str) -> None:
    """Grow the file system mounted at `point` to its device; raise NotSupported where it cannot while mounted."""
    fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if filesystem == "xfs":
            _grow_xfs(fd, device)
        elif filesystem == "ext4":
            _grow_ext4(fd, device)
        else:
            raise NotSupported(f"the file system {filesystem[:64]!r} cannot be grown here")
    except OSError as failure:
        raise SystemCallFailed(f"cannot grow the {filesystem} on {device}: {failure.strerror}") from failure
    finally:
        os.close(fd)


def xfs_too_small(device: Path) -> bool:
    """Tell whether an XFS that is not mounted could reach further on its device."""
    found = filesystem_size(device)
    return found is not None and found.kind == "xfs" and _missing(found.size, device_size(device))


def _missing(size: int, device: int, block_size: int = 4096) -> bool:
    return (device - size) // block_size >= _SMALLEST_XFS_GROUP_BLOCKS


def _grow_xfs(fd: int, device: Path) -> None:
    geometry, size = xfs_geometry(fd), device_size(device)
    if _missing(geometry.size, size, geometry.block_size):
        grow_xfs(fd, size // geometry.block_size)


def _grow_ext4(fd: int, device: Path) -> None:
    with device.open("rb", buffering=0) as opened:
        superblock = read_ext4(opened.fileno())
    if superblock is None:
        raise SystemCallFailed(f"{device} has no ext4 that could be grown")
    possible = superblock.blocks_possible(device_size(device))
    if possible <= superblock.blocks:
        return
    try:
        resize_ext4(fd, possible)
    except OSError as failure:
        if failure.errno not in _ONLINE_REFUSED:
            raise
        raise NotSupported(
            f"this kernel does not grow the mounted ext4 on {device} ({failure.strerror}); "
            "it grows when the volume is staged next: stop the pods that use it, and start them again"
        ) from failure
