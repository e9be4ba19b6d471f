"""The log that dm-log-writes keeps of a disk, read and played back to any of its points.

The form is the kernel's, Documentation/admin-guide/device-mapper/log-writes.rst and
drivers/md/dm-log-writes.c: a superblock in the first sector, then for each request one sector
that describes it and the sectors that it wrote. What a disk has not flushed is logged only
after the flush that made it durable, so the log's order is the order in which things become durable.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

_MAGIC = 0x6A736677736872
_SUPERBLOCK = struct.Struct("<3QI")
_ENTRY = struct.Struct("<4Q")
_PIECE = 1 << 20


class Kind(IntFlag):
    """What a request was."""

    WRITE = 0
    FLUSH = 1 << 0
    FUA = 1 << 1
    DISCARD = 1 << 2
    MARK = 1 << 3
    METADATA = 1 << 4


@dataclass(frozen=True)
class LoggedRequest:
    """A request: where it wrote on the disk, and where its bytes are in the log, in bytes; a mark has a `text`."""

    kind: Kind
    offset: int
    length: int
    at: int
    text: str = ""

    @property
    def is_point(self) -> bool:
        """Tell whether everything before it, and itself, is durable: a power cut may come just after."""
        return bool(self.kind & (Kind.FLUSH | Kind.FUA))

    @property
    def writes(self) -> bool:
        """Tell whether it has put bytes on the disk."""
        return self.length > 0 and not self.kind & (Kind.DISCARD | Kind.MARK)


def read_log(log: Path) -> list[LoggedRequest]:
    """Read all requests of a finished log."""
    with log.open("rb") as file:
        magic, version, count, sector = _SUPERBLOCK.unpack(file.read(_SUPERBLOCK.size))
        assert (magic, version) == (_MAGIC, 1), "this is no log of dm-log-writes"
        return list(_requests(file.fileno(), count, sector))


def _requests(fd: int, count: int, sector: int) -> Iterator[LoggedRequest]:
    at = sector
    for _ in range(count):
        head = os.pread(fd, sector, at)
        where, sectors, flags, length = _ENTRY.unpack_from(head)
        kind = Kind(flags)
        text = head[_ENTRY.size : _ENTRY.size + length].decode() if kind & Kind.MARK else ""
        request = LoggedRequest(kind, where * sector, sectors * sector, at + sector, text)
        yield request
        at += sector + (request.length if request.writes else 0)


class Replay:
    """A disk as it was at a point of a log, and never before the point where it was last."""

    def __init__(self, log: Path, requests: Sequence[LoggedRequest], disk: Path, size: int) -> None:
        self._requests = requests
        self._done = 0
        self._log = os.open(log, os.O_RDONLY)
        self._disk = os.open(disk, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._disk, size)

    def forward_to(self, point: int) -> None:
        """Play back everything up to the request of this number, and that."""
        assert point + 1 >= self._done
        for request in self._requests[self._done : point + 1]:
            if request.writes:
                self._write(request)
        self._done = point + 1

    def close(self) -> None:
        """Close the files."""
        os.close(self._log)
        os.close(self._disk)

    def _write(self, request: LoggedRequest) -> None:
        for start in range(0, request.length, _PIECE):
            length = min(_PIECE, request.length - start)
            os.pwrite(self._disk, os.pread(self._log, length, request.at + start), request.offset + start)
