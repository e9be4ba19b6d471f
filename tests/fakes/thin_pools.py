"""Thin pools of the real device mapper, set up by ioctl with the very tables that LVM loads: no LVM command takes a second.

That LVM's own pools behave the same is proven in `test_lvm_direct_on_lvm.py`.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rokcsi.model.errors import RokcsiError, StillInUse
from rokcsi.system import loops
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.dm_ioctl import Target
from rokcsi.system.lvm import mapped_name
from rokcsi.system.mounts import read_mountinfo, unmount
from tests.fakes.loop_disks import run
from tests.fakes.mapped_devices import linear

_MIB = 1 << 20
_SECTORS = _MIB // 512
_BLOCK = 128
_UDEV_SECONDS = 20.0


class ThinPool:
    """A thin pool that goes by LVM's names for one, on whatever disk it is activated; `folder` is where a test mounts things."""

    def __init__(self, folder: Path, mebibytes: int, metadata: int = 8) -> None:
        self.group, self.thin_pool = f"fake{os.getpid()}x{next(_numbers)}", "thin"
        self.mapper = DeviceMapper()
        self.name = mapped_name(self.group, self.thin_pool)
        self.bytes = (metadata + mebibytes) * _MIB
        self._folder = folder
        self._metadata, self._data = metadata * _SECTORS, mebibytes * _SECTORS

    def activate(self, disk: Path) -> None:
        """Set the pool's three devices up; an empty disk is an empty pool."""
        under = [
            self.mapper.add(f"{self.name}_tmeta", "", [linear(disk, 0, self._metadata)]),
            self.mapper.add(f"{self.name}_tdata", "", [linear(disk, self._metadata, self._data)]),
        ]
        numbers = " ".join(f"{os.major(it.device)}:{os.minor(it.device)}" for it in under)
        self.mapper.add(
            self.name, "", [Target(0, self._data, "thin-pool", f"{numbers} {_BLOCK} 0 1 error_if_no_space")]
        )

    def deactivate(self) -> None:
        """Take away all that lies on the pool, and the pool's devices."""
        self.let_go()
        for name in (self.name, f"{self.name}_tdata", f"{self.name}_tmeta"):
            if self.mapper.look(name) is not None:
                self.mapper.remove(name)

    def let_go(self) -> None:
        """Unmount what is mounted in the folder, and remove the devices that a driver has made on the pool."""
        for entry in reversed(read_mountinfo()):
            if entry.point.is_relative_to(self._folder):
                unmount(entry.point)
        pool = self.mapper.look(self.name)
        for device in self.mapper.devices("rokcsi-") if pool is not None else []:
            if pool is not None and pool.device in self.mapper.dependencies(device.name):
                self.mapper.resume(device.name)
                self.mapper.remove(device.name)

    def check(self, disk: Path) -> None:
        """Deactivate the pool and let thin_check look at its metadata."""
        self.deactivate()
        metadata = self.mapper.add(f"{self.name}_tmeta", "", [linear(disk, 0, self._metadata)])
        try:
            run("thin_check", metadata.node)
        finally:
            self.mapper.remove(metadata.name)

    def close(self) -> None:
        """Leave nothing behind, whatever refuses."""
        with suppress(RokcsiError):
            self.deactivate()
        self.mapper.close()


_numbers = itertools.count()


@contextmanager
def sparse_disk(file: Path, size: int) -> Iterator[Path]:
    """Give a block device over a sparse file that is gone afterwards."""
    with file.open("xb") as opened:
        opened.truncate(size)
    try:
        yield loops.attach(file).path
    finally:
        detach_patiently(loops.key_of(file))
        file.unlink()


def detach_patiently(key: loops.FileKey) -> None:
    """Take the loop device off a file; udev may look at it for seconds on a slow machine."""
    until = time.monotonic() + _UDEV_SECONDS
    while (loop := loops.attached_loops().get(key)) is not None:
        try:
            loops.detach(loop, key)
        except StillInUse:
            if time.monotonic() > until:
                raise


@contextmanager
def thin_pool_on_a_disk(folder: Path, mebibytes: int = 1024, metadata: int = 8) -> Iterator[ThinPool]:
    """Give a thin pool for a block, and check its metadata at the end."""
    pool = ThinPool(folder, mebibytes, metadata)
    with sparse_disk(folder / f"{pool.group}.disk", pool.bytes) as disk:
        try:
            pool.activate(disk)
            yield pool
            pool.check(disk)
        finally:
            pool.close()
