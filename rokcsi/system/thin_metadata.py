"""Which thin devices a pool has, read from its metadata; the kernel has no question for that, and no program is started.

Called by pools on thin volumes, at a root that `ThinPool.metadata_reserved` keeps still. The
form is the kernel's (drivers/md/dm-thin-metadata.c, persistent-data/dm-btree-internal.h): a
superblock, and a btree of blocks of 4096 bytes whose keys are the ids of thin devices.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import Damaged, SystemCallFailed

_BLOCK = 4096
_MAGIC = 27022010
# checksum, flags, block, uuid, magic, version, time, transaction, held root, two space maps, mapping root, details root
_SUPERBLOCK = struct.Struct("<2IQ16sQ2I2Q128s128s2Q")
# checksum, flags, block, entries, most entries, size of a value
_NODE = struct.Struct("<2IQ3I4x")
_INTERNAL, _LEAF = 1, 2
_KEY = struct.Struct("<Q")
_CHILD = struct.Struct("<Q")
# mapped blocks, transaction, time of creation, time of the last snapshot
_DETAILS = struct.Struct("<2Q2I")
_DEEPEST = 16
ReadBlock = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class ThinDevice:
    """A thin device by its id: how many blocks of data it maps, shared ones included."""

    id: int
    mapped_blocks: int


def thin_devices(metadata: Path, root: int) -> list[ThinDevice]:
    """Read all thin devices from a metadata device, at the block of a superblock; raise Damaged, SystemCallFailed."""
    try:
        # Not from the page cache, which knows nothing of what the kernel's pool has written.
        fd = os.open(metadata, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        try:
            with mmap.mmap(-1, _BLOCK) as buffer:
                return read_devices(lambda block: _read_directly(fd, block, buffer), root)
        finally:
            os.close(fd)
    except OSError as error:
        raise SystemCallFailed(f"the thin pool's metadata on {metadata} cannot be read: {error.strerror}") from error


def _read_directly(fd: int, block: int, buffer: mmap.mmap) -> bytes:
    return buffer[: os.preadv(fd, [buffer], block * _BLOCK)]


def read_devices(read: ReadBlock, root: int) -> list[ThinDevice]:
    """Read all thin devices by a way to read blocks; raise Damaged."""
    try:
        *_, details = _superblock(read(root))
        return list(_leaves(read, details, _DEEPEST))
    except struct.error as error:
        raise _damaged(f"a block of it is cut short ({error})") from error


def _superblock(content: bytes) -> tuple[int, ...]:
    _, _, _, _, magic, _, _, _, _, _, _, mappings, details = _SUPERBLOCK.unpack_from(content)
    if magic != _MAGIC:
        raise _damaged("it does not begin as a superblock does")
    return mappings, details


def _leaves(read: ReadBlock, block: int, deepest: int) -> Iterator[ThinDevice]:
    content = read(block)
    _, flags, where, entries, most, size = _NODE.unpack_from(content)
    if where != block or deepest == 0 or entries > most or flags not in {_INTERNAL, _LEAF}:
        raise _damaged(f"block {block} is no node of its tree")
    values = _NODE.size + most * _KEY.size
    for entry in range(entries):
        at = values + entry * size
        if flags == _INTERNAL:
            yield from _leaves(read, _CHILD.unpack_from(content, at)[0], deepest - 1)
        else:
            id_ = _KEY.unpack_from(content, _NODE.size + entry * _KEY.size)[0]
            yield ThinDevice(id_, _DETAILS.unpack_from(content, at)[0])


def _damaged(why: str) -> Damaged:
    return Damaged(f"the thin pool's metadata cannot be read: {why}; check it with thin_check")
