"""LVM volume groups over loop devices for lab tests, with thin pools in them; nothing is left of them, whatever happens."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rokcsi.model.errors import RokcsiError
from rokcsi.system.command import HostRunner
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.lvm import Lvm, mapped_name
from rokcsi.system.lvm_settings import settings, udev_runs
from tests.fakes.loop_disks import LoopDisks, loop_disks, run

_MIB = 1 << 20


class VolumeGroup:
    """A volume group of this test process's own, over one sparse disk."""

    def __init__(self, disks: LoopDisks, mebibytes: int, device: Path | None = None) -> None:
        self.name = f"test{os.getpid()}x{next(_numbers)}"
        self.lvm = Lvm(HostRunner(), self.name)
        self.mapper = DeviceMapper()
        self._disks = disks
        self.disk = device or disks.disk(f"{self.name}.disk", mebibytes * _MIB)
        # Else udev activates all of it at some moment after the disk was written to first.
        alone = ("--setautoactivation", "n")
        self.run("vgcreate", "--quiet", "--physicalextentsize", "1m", *alone, self.name, self.disk)

    def run(self, verb: str, *words: str | Path) -> str:
        """Run an LVM command as our driver does."""
        return run("lvm", verb, "--config", settings(udev=udev_runs()), *words)

    def thin_pool(self, name: str, mebibytes: int, *options: str, metadata: int = 8) -> str:
        """Make an active thin pool and give the name of its device."""
        sizes = ("--size", f"{mebibytes}m", "--poolmetadatasize", f"{metadata}m")
        self.run("lvcreate", *sizes, *options, "--thin", f"{self.name}/{name}")
        return mapped_name(self.name, name)

    def remove(self, name: str) -> None:
        """Remove a thin pool, and first all devices that lie on it."""
        self.let_go()
        self.run("lvremove", "--yes", "--force", f"{self.name}/{name}")

    def thin_check(self, name: str) -> None:
        """Take everything off a thin pool, let thin_check look at its metadata, and activate it again."""
        self.let_go()
        self.run("lvchange", "--activate", "n", f"{self.name}/{name}")
        self.run("lvchange", "--yes", "--activate", "y", f"{self.name}/{name}_tmeta")
        try:
            run("thin_check", f"/dev/mapper/{mapped_name(self.name, name)}_tmeta")
        finally:
            self.run("lvchange", "--activate", "n", f"{self.name}/{name}_tmeta")
        self.run("lvchange", "--activate", "y", f"{self.name}/{name}")

    def let_go(self) -> None:
        """Unmount what is mounted, and remove the device mapper's devices that a driver has made."""
        self._disks.unmount()
        for device in self.mapper.devices("rokcsi-"):
            with suppress(RokcsiError):
                self.mapper.resume(device.name)
                self.mapper.remove(device.name)

    def close(self) -> None:
        """Leave nothing behind."""
        self.let_go()
        with suppress(AssertionError):
            self.run("vgremove", "--yes", "--force", "--force", self.name)
        for device in reversed(self.mapper.devices(self.name)):
            with suppress(RokcsiError):
                self.mapper.remove(device.name, when_closed=True)
        self.mapper.close()


_numbers = itertools.count()


@contextmanager
def volume_group(folder: Path, mebibytes: int = 4096) -> Iterator[VolumeGroup]:
    """Give a volume group for a block."""
    with loop_disks(folder) as disks:
        group = VolumeGroup(disks, mebibytes)
        try:
            yield group
        finally:
            group.close()
