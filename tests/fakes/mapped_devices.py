"""Devices of the real device mapper for lab tests, all removed at the end whatever state they are in."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rokcsi.model.errors import RokcsiError
from rokcsi.system.device_mapper import DeviceMapper, MappedDevice
from rokcsi.system.dm_ioctl import Target
from tests.fakes.loop_disks import LoopDisks

_MIB = 1 << 20


def linear(disk: Path, start: int, length: int) -> Target:
    """Give a target that shows a part of a disk, in sectors, from the device's own beginning on."""
    device = disk.stat().st_rdev
    return Target(0, length, "linear", f"{os.major(device)}:{os.minor(device)} {start}")


class MappedDevices:
    """Devices whose names begin with this test process's own word."""

    def __init__(self, disks: LoopDisks) -> None:
        self.mapper = DeviceMapper()
        self.disks = disks
        self._numbers = itertools.count()

    def name(self, word: str) -> str:
        """Give the full name of a device."""
        return f"test-{os.getpid()}-{word}"

    def uuid(self, word: str) -> str:
        """Give the UUID that a device is made with."""
        return f"TEST-{os.getpid()}-{word}"

    def disk(self, mebibytes: int = 32, filesystem: str | None = None) -> Path:
        """Give a new disk for devices to lie on."""
        return self.disks.disk(f"disk-{next(self._numbers)}", mebibytes * _MIB, filesystem)

    def made(self, word: str, table: Sequence[Target]) -> MappedDevice:
        """Make a device."""
        return self.mapper.add(self.name(word), self.uuid(word), table)

    def shown(self, word: str, disk: Path) -> MappedDevice:
        """Make a device that shows a whole disk."""
        with disk.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
        return self.made(word, [linear(disk, 0, size // 512)])

    def close(self) -> None:
        """Resume everything, and leave nothing."""
        for device in reversed(self.mapper.devices(self.name(""))):
            with suppress(RokcsiError):
                self.mapper.resume(device.name)
        self.disks.unmount()
        for device in reversed(self.mapper.devices(self.name(""))):
            with suppress(RokcsiError):
                self.mapper.remove(device.name, when_closed=True)
        self.mapper.close()


@contextmanager
def mapped_devices(disks: LoopDisks) -> Iterator[MappedDevices]:
    """Give a place to make devices in."""
    devices = MappedDevices(disks)
    try:
        yield devices
    finally:
        devices.close()
