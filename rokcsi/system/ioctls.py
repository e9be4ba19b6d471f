"""ioctl(2) requests as typed functions: cloning, freezing, growing and inode flags.

Called by the pool, the mounter and the other files of this room. Every function takes an
open file descriptor and raises OSError with the kernel's errno. None of them holds Python's
interpreter lock while the kernel works. The loop device's requests are in `loop_ioctls`.
"""

from __future__ import annotations

import fcntl
import struct
from dataclasses import dataclass

from rokcsi.model.sizes import Bytes

# linux/fs.h
_FICLONE = 0x40049409
_FICLONERANGE = 0x4020940D
_FIEMAP = 0xC020660B
_FIEMAP_HEAD = struct.Struct("=2Q4I")
_FIFREEZE = 0xC0045877
_FITHAW = 0xC0045878
_FITRIM = 0xC0185879
_BLKROSET = 0x125D
_BLKROGET = 0x125E
_BLKGETSIZE64 = 0x80081272
_FSGETXATTR = 0x801C581F
_FSSETXATTR = 0x401C5820
_FSXATTR = struct.Struct("=5I8x")
_HAS_EXTENT_HINT = 0x00000800
_HAS_COW_EXTENT_HINT = 0x00010000
# xfsprogs' xfs_fs.h
_XFS_GEOMETRY_V1 = 0x80705864
_XFS_GEOMETRY = struct.Struct("=8IQ72x")
_XFS_GROW_DATA = 0x4010586E
_XFS_FREE_EOFBLOCKS = 0x8080583A
_XFS_EOFBLOCKS = struct.Struct("=6I13Q")
_XFS_EOFBLOCKS_VERSION, _XFS_EOFBLOCKS_SYNC = 1, 1
# ext4.h
_EXT4_RESIZE = 0x40086610


@dataclass(frozen=True, slots=True)
class InodeExtents:
    """How a file lies on its file system: its number of `extents`, and its allocation hints in bytes (0: none)."""

    extents: int
    extent_hint: int
    cow_extent_hint: int


@dataclass(frozen=True, slots=True)
class XfsGeometry:
    """The size of a mounted XFS: `blocks` of `block_size` bytes, of which inodes may take `inode_percent`."""

    block_size: int
    blocks: int
    inode_percent: int

    @property
    def size(self) -> Bytes:
        """The size of the data section in bytes."""
        return Bytes(self.block_size * self.blocks)


def clone_file(target: int, source: int) -> None:
    """Make `target` share all blocks of `source` (FICLONE); EOPNOTSUPP or EXDEV where that cannot be."""
    fcntl.ioctl(target, _FICLONE, source)


def clone_range(target: int, source: int, start: int, length: int) -> None:
    """Make a part of `target` share the blocks of the same part of `source`; both ends lie on whole blocks."""
    fcntl.ioctl(target, _FICLONERANGE, struct.pack("=q3Q", source, start, length, start))


def freeze_filesystem(fd: int) -> None:
    """Write everything out and stop all writers of the file system of this descriptor; EBUSY when it is frozen already."""
    fcntl.ioctl(fd, _FIFREEZE, 0)


def thaw_filesystem(fd: int) -> None:
    """Let the writers go on; EINVAL when the file system is not frozen."""
    fcntl.ioctl(fd, _FITHAW, 0)


def trim_filesystem(fd: int, start: int, length: int, smallest: int) -> None:
    """Give what is free in a part of a mounted file system back to the store below, in pieces no smaller than `smallest`.

    EINVAL when the part begins behind the file system's end, EOPNOTSUPP where the device takes nothing back. (How many
    bytes it was is not told: XFS answers with the length of the part.)
    """
    fcntl.ioctl(fd, _FITRIM, struct.pack("=3Q", start, length, smallest))


def block_device_size(fd: int) -> Bytes:
    """Give the size of a block device (BLKGETSIZE64); ENOTTY for anything else."""
    return Bytes(struct.unpack("=Q", fcntl.ioctl(fd, _BLKGETSIZE64, bytes(8)))[0])


def block_device_readonly(fd: int) -> bool:
    """Tell whether a block device refuses to be written to (BLKROGET)."""
    return bool(struct.unpack("=i", fcntl.ioctl(fd, _BLKROGET, bytes(4)))[0])


def set_block_device_readonly(fd: int, *, readonly: bool) -> None:
    """Let every write to a block device fail with EPERM, also of those who have it open, or no longer (BLKROSET).

    This sticks to the device's number: whatever comes to be shown by it later inherits it.
    """
    fcntl.ioctl(fd, _BLKROSET, struct.pack("=i", readonly))


def inode_extents(fd: int) -> InodeExtents:
    """Count a file's extents and read its hints (FS_IOC_FSGETXATTR); ENOTTY where the file system does not know."""
    _, hint, extents, _, cow_hint = _FSXATTR.unpack(fcntl.ioctl(fd, _FSGETXATTR, bytes(_FSXATTR.size)))
    return InodeExtents(extents, hint, cow_hint)


def mapped_extents(fd: int) -> int:
    """Count a file's extents by walking them (FIEMAP): for file systems whose inodes do not know their number."""
    answer = fcntl.ioctl(fd, _FIEMAP, _FIEMAP_HEAD.pack(0, (1 << 64) - 1, 0, 0, 0, 0))
    return int(_FIEMAP_HEAD.unpack(answer)[3])


def set_extent_hints(fd: int, *, extent_hint: int, cow_extent_hint: int) -> None:
    """Ask for allocation in pieces of so many bytes (0: no hint), for new and for copied blocks.

    The kernel refuses a change of `extent_hint` (EINVAL) once the file has extents.
    """
    flags, _, _, project, _ = _FSXATTR.unpack(fcntl.ioctl(fd, _FSGETXATTR, bytes(_FSXATTR.size)))
    flags &= ~(_HAS_EXTENT_HINT | _HAS_COW_EXTENT_HINT)
    flags |= _HAS_EXTENT_HINT if extent_hint else 0
    flags |= _HAS_COW_EXTENT_HINT if cow_extent_hint else 0
    fcntl.ioctl(fd, _FSSETXATTR, _FSXATTR.pack(flags, extent_hint, 0, project, cow_extent_hint))


def xfs_geometry(fd: int) -> XfsGeometry:
    """Read the size of the mounted XFS of this descriptor; ENOTTY for another file system."""
    answer = _XFS_GEOMETRY.unpack(fcntl.ioctl(fd, _XFS_GEOMETRY_V1, bytes(_XFS_GEOMETRY.size)))
    return XfsGeometry(block_size=answer[0], blocks=answer[8], inode_percent=answer[7])


def grow_xfs(fd: int, blocks: int) -> None:
    """Grow the mounted XFS of this descriptor to `blocks` of its own block size, as xfs_growfs does."""
    fcntl.ioctl(fd, _XFS_GROW_DATA, struct.pack("=QI4x", blocks, xfs_geometry(fd).inode_percent))


def settle_xfs(fd: int) -> None:
    """Let a mounted XFS finish what it puts off: freeing removed files' blocks, and those set aside behind files' ends.

    ENOTTY for another file system.
    """
    wanted = (_XFS_EOFBLOCKS_VERSION, _XFS_EOFBLOCKS_SYNC, *(0,) * 17)
    fcntl.ioctl(fd, _XFS_FREE_EOFBLOCKS, _XFS_EOFBLOCKS.pack(*wanted))


def resize_ext4(fd: int, blocks: int) -> None:
    """Grow the mounted ext4 of this descriptor to `blocks` of its own block size; EPERM without CAP_SYS_RESOURCE."""
    fcntl.ioctl(fd, _EXT4_RESIZE, struct.pack("=Q", blocks))
