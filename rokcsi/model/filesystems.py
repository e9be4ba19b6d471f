"""Which file systems a volume can carry, and how large each may be; how they are made is in `system.make_filesystem`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rokcsi.model.sizes import Bytes


@dataclass(frozen=True, slots=True)
class SizeBounds:
    """The smallest and the largest size of a kind of volume, in bytes."""

    smallest: Bytes
    largest: Bytes


DEFAULT_FILESYSTEM = "xfs"  # it grows online everywhere
FILESYSTEMS: Mapping[str, SizeBounds] = MappingProxyType(
    {
        "xfs": SizeBounds(Bytes(300 << 20), Bytes(1 << 50)),  # mkfs.xfs(8) refuses smaller ones
        "ext4": SizeBounds(Bytes(16 << 20), Bytes(16 << 40)),  # the most without the 64bit feature (ext4(5))
    }
)
