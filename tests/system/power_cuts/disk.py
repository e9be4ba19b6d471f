"""A disk whose every write is logged below a pool, and one that can be made to lose them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rokcsi.model.errors import RokcsiError
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.dm_ioctl import Target
from tests.fakes.thin_pools import sparse_disk

SIZE = 384 << 20
_LOG_SIZE = 2 << 30
_SECTORS = SIZE // 512


class FaultyDisk:
    """A mapped device over a sparse file; `node` is the disk that a pool is laid on."""

    def __init__(self, mapper: DeviceMapper, name: str, table: Target) -> None:
        self._mapper = mapper
        self._name = name
        self.node = mapper.add(name, "", [table]).node

    def mark(self, text: str) -> None:
        """Write a word into the log, after everything that is in it."""
        self._mapper.message(self._name, f"mark {text}")

    def lose_all_writes(self, disk: Path) -> None:
        """From now on answer every write and every flush with yes, and forget it."""
        self._mapper.exchange(self._name, [_flaky(disk)])

    def close(self) -> None:
        """Take the device away; a log is complete only then."""
        self._mapper.remove(self._name)


@contextmanager
def logged_disk(folder: Path) -> Iterator[tuple[FaultyDisk, Path]]:
    """Give a disk, and the file with the log of its writes."""
    log = folder / "writes.log"
    with (
        sparse_disk(folder / "logged.disk", SIZE) as disk,
        sparse_disk(log, _LOG_SIZE) as log_disk,
        _faulty(Target(0, _SECTORS, "log-writes", f"{_number(disk)} {_number(log_disk)}")) as faulty,
    ):
        yield faulty, log


@contextmanager
def flaky_disk(folder: Path) -> Iterator[tuple[FaultyDisk, Path]]:
    """Give a disk that keeps everything until it is told to lose it, and the disk that is below."""
    with (
        sparse_disk(folder / "flaky.disk", SIZE) as disk,
        _faulty(Target(0, _SECTORS, "linear", f"{_number(disk)} 0")) as faulty,
    ):
        yield faulty, disk


@contextmanager
def _faulty(table: Target) -> Iterator[FaultyDisk]:
    mapper, name = DeviceMapper(), f"faulty-{os.getpid()}-{next(_numbers)}"
    faulty = FaultyDisk(mapper, name, table)
    try:
        yield faulty
    finally:
        with suppress(RokcsiError):
            faulty.close()
        mapper.close()


def _flaky(disk: Path) -> Target:
    # Up for no second, down for the rest of our time; down it drops writes.
    return Target(0, _SECTORS, "flakey", f"{_number(disk)} 0 0 3600 1 drop_writes")


def _number(disk: Path) -> str:
    device = disk.stat().st_rdev
    return f"{os.major(device)}:{os.minor(device)}"


_numbers = itertools.count()
