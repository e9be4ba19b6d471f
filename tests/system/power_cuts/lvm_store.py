"""The pool of logical volumes on a disk of a test's own: LVM sees that disk and no other, as the same group lies on copies too."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from rokcsi.model.errors import RokcsiError
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.pools.lvm import LvmPool
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.names import name_of
from rokcsi.pools.lvm_direct.founding import devices_in
from rokcsi.system.command import HostRunner
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.dm_ioctl import Target
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.lvm import Lvm
from rokcsi.system.lvm_settings import settings, udev_runs
from rokcsi.system.mounts import MountTable
from rokcsi.system.thin_pool import SECTOR
from tests.fakes.loop_disks import run
from tests.fakes.patience import eventually
from tests.system.power_cuts.storm import SIZE

_POOL = "thin"
_SIZES = ("--size", "320m", "--poolmetadatasize", "8m", "--chunksize", "64k")
_PATIENCE_SECONDS = 20.0
_SETTINGS_FOLDER = "LVM_SYSTEM_DIR"


class LvmStore:
    """A volume group of half-MiB extents, so that the storm's small volumes fit them, and a thin pool in it."""

    def __init__(self, folder: Path) -> None:
        self._group = f"cut{os.getpid()}x{next(_numbers)}"
        self._settings = folder / "lvm"
        self._serving: LvmPool | None = None
        self._numbers: Mapping[str, int] = {}

    def lay(self, disk: Path) -> None:
        """Make the group and the thin pool."""
        _lvm(disk, "vgcreate", "--quiet", "--physicalextentsize", "512k", self._group, disk)
        _lvm(disk, "lvcreate", *_SIZES, "--thin", f"{self._group}/{_POOL}")

    def open(self, disk: Path) -> Pool:
        """Let the driver activate the thin pool, wherever it is now."""
        self._settings.mkdir(exist_ok=True)
        (self._settings / "lvm.conf").write_text(f"{_only(disk)}\n")
        os.environ[_SETTINGS_FOLDER] = str(self._settings)
        self._serving = LvmPool.open(self._group, _POOL, points=MountTable(), locks=KeyedLocks())
        report = Lvm(HostRunner(), self._group).report()
        self._numbers = {volume.name: volume.thin_id for volume in report.volumes if volume.thin_id is not None}
        return self._serving

    def strays(self, pool: Pool) -> list[str]:
        """Name thin devices that LVM does not know, and logical volumes of nobody."""
        assert isinstance(pool, LvmPool)
        thin = [device.id for device in devices_in(pool._opened.access.kernel_pool())]
        unknown = [f"thin device {id_}" for id_ in thin if id_ not in self._numbers.values()]
        return unknown + [str(it.where) for it in pool.leftovers() if it.kind != "device"]

    def read(self, pool: Pool, id: VolumeId | SnapshotId) -> bytes:
        """Read past LVM, which takes four commands to show a snapshot: a block device of our own over the thin device."""
        assert self._serving is not None
        access = self._serving._opened.access
        thin_pool = access.mapper.look(access.kernel_pool().name)
        assert thin_pool is not None
        number = f"{os.major(thin_pool.device)}:{os.minor(thin_pool.device)}"
        table = Target(0, SIZE // SECTOR, "thin", f"{number} {self._numbers[name_of(id)]}")
        shown = access.mapper.add(f"{self._group}-look", "", [table], readonly=True)
        try:
            return shown.node.read_bytes()
        finally:
            access.mapper.remove(shown.name)

    def remove_flush(self, patch: pytest.MonkeyPatch) -> None:
        """It is the flush after LVM's commands; those of the kernel's thin pool, when it answers a message, remain."""
        patch.setattr(PoolAccess, "_flush", lambda access: None)

    def let_go(self, disk: Path) -> None:
        """Take the group's devices away by the device mapper alone: LVM would read what the disk says now."""
        os.environ.pop(_SETTINGS_FOLDER, None)
        if self._serving is not None:
            self._serving.close()
            self._serving = None
        mapper, until = DeviceMapper(), time.monotonic() + _PATIENCE_SECONDS
        while (left := mapper.devices(f"{self._group}-")) and time.monotonic() < until:
            for device in left:
                with suppress(RokcsiError):  # a pool that has failed cannot be resumed, and goes all the same
                    mapper.resume(device.name)
                with suppress(RokcsiError):
                    mapper.remove(device.name)
        mapper.close()

    def check(self, disk: Path) -> None:
        """Let thin_check look."""
        metadata = f"{self._group}/{_POOL}_tmeta"
        eventually(lambda: self._shown(disk, metadata), 60, every=0.5)
        try:
            run("thin_check", f"/dev/mapper/{self._group}-{_POOL}_tmeta")
        finally:
            _lvm(disk, "lvchange", "--activate", "n", metadata)

    def _shown(self, disk: Path, metadata: str) -> bool:
        """Have the pool's metadata as a block device, unless udev has activated the pool in the meantime: it goes again."""
        command = ["lvm", "lvchange", "--config", _config(disk), "--yes", "--activate", "y", metadata]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if ended.returncode:
            assert "is active" in ended.stderr, ended.stderr
            self.let_go(disk)
        return ended.returncode == 0


def _lvm(disk: Path, verb: str, *words: str | Path) -> None:
    run("lvm", verb, "--config", _config(disk), *words)


def _config(disk: Path) -> str:
    return f"{settings(udev=udev_runs())} {_only(disk)}"


def _only(disk: Path) -> str:
    return f'devices/use_devicesfile=0 devices/global_filter=["a|^{disk}$|","r|.*|"]'


_numbers = itertools.count()
