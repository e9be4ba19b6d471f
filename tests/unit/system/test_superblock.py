from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rokcsi.model.sizes import Bytes
from rokcsi.system.superblock import FoundFilesystem, filesystem_size


def ext4(blocks: int, *, sixty_four: bool) -> bytes:
    block = bytearray(4096)
    struct.pack_into("<I", block, 1024 + 0x4, blocks & 0xFFFFFFFF)
    struct.pack_into("<I", block, 1024 + 0x18, 2)
    struct.pack_into("<H", block, 1024 + 0x38, 0xEF53)
    struct.pack_into("<I", block, 1024 + 0x60, 0x80 if sixty_four else 0)
    struct.pack_into("<I", block, 1024 + 0x150, blocks >> 32)
    return bytes(block)


XFS = struct.pack(">4sIQ", b"XFSB", 4096, 1 << 18).ljust(4096, b"\0")


@pytest.mark.parametrize(
    ("start", "found"),
    [
        (XFS, FoundFilesystem("xfs", Bytes(1 << 30))),
        (ext4(1 << 18, sixty_four=False), FoundFilesystem("ext4", Bytes(1 << 30))),
        (ext4(1 << 33, sixty_four=True), FoundFilesystem("ext4", Bytes(1 << 45))),
        (ext4((1 << 32) + 5, sixty_four=False), FoundFilesystem("ext4", Bytes(5 * 4096))),
        (bytes(4096), None),
        (b"XFSB", None),
        (b"", None),
    ],
)
def test_a_file_system_tells_its_size_in_its_first_blocks(
    tmp_path: Path, start: bytes, found: FoundFilesystem | None
) -> None:
    path = tmp_path / "disk"
    path.write_bytes(start)
    assert filesystem_size(path) == found
    with path.open("rb") as file:
        assert filesystem_size(file.fileno()) == found
