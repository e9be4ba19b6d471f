"""Sparse files: what they really occupy, and copies that keep their holes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from rokcsi.model.sizes import Bytes

_SECTOR = 512  # the unit of st_blocks, whatever the file system's block is (stat(2))


def allocated_bytes(path: Path) -> Bytes:
    """Give what a file occupies, in bytes; nothing when it is gone."""
    try:
        return Bytes(path.stat().st_blocks * _SECTOR)
    except FileNotFoundError:
        return Bytes(0)


def copy_sparse(source: Path, target: Path, size: Bytes) -> None:
    """Make `target`, `size` bytes long, which begins with the contents of `source`; raise FileExistsError."""
    with source.open("rb", buffering=0) as reading, target.open("xb", buffering=0) as writing:
        writing.truncate(size)
        for begin, end in _written_ranges(reading.fileno()):
            _copy_range(reading.fileno(), writing.fileno(), begin, end)


def _written_ranges(descriptor: int) -> Iterator[tuple[int, int]]:
    end = 0
    while True:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole follows
                return
            raise
        end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        yield begin, end


def _copy_range(source: int, target: int, begin: int, end: int) -> None:
    while begin < end:
        piece = os.pread(source, min(end - begin, 1 << 20), begin)
        if not piece:
            return
        begin += os.pwrite(target, piece, begin)
