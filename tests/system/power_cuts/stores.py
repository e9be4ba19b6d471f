"""Each kind of pool laid on a disk of a test's own, so that the disk can lose its power under it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.pools.lvm_direct import LvmDirectPool
from rokcsi.pools.lvm_direct.founding import devices_in
from rokcsi.system import loops
from rokcsi.system.direct_device import DirectDevice
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable, mount, read_mountinfo, unmount
from tests.fakes.loop_disks import run
from tests.fakes.lvm_direct_pools import LvmDirectPools
from tests.fakes.thin_pools import ThinPool, detach_patiently
from tests.system.power_cuts.lvm_store import LvmStore
from tests.system.power_cuts.witness import read_by_pool
from tests.system.power_cuts.zfs_store import ZfsStore


class Store(Protocol):
    """One kind of pool on one disk; `let_go` takes everything off the disk and never fails for what is gone already."""

    def lay(self, disk: Path) -> None:
        """Make what the pool needs on an empty disk."""

    def open(self, disk: Path) -> Pool:
        """Give the strict pool, as the next driver opens it; what it needs is activated or mounted first."""

    def strays(self, pool: Pool) -> list[str]:
        """Name everything that belongs to no volume and no snapshot."""

    def read(self, pool: Pool, id: VolumeId | SnapshotId) -> bytes:
        """Give the bytes of a volume or a snapshot, and leave the pool as it was."""

    def remove_flush(self, patch: pytest.MonkeyPatch) -> None:
        """Let the driver forget the flush after which it answers, and nobody else his."""

    def let_go(self, disk: Path) -> None:
        """End the driver as a kill does, and take everything off the disk."""

    def check(self, disk: Path) -> None:
        """Look at what lies below the pool, while nothing uses it; fail when it is damaged."""


class LoopFileStore:
    """Loop files on an XFS of the disk's own."""

    def __init__(self, folder: Path) -> None:
        self._point = folder / "pool"
        self._freezer: Freezer | None = None
        self._serving: LoopFilePool | None = None

    def lay(self, disk: Path) -> None:
        """Make an XFS."""
        run("mkfs.xfs", "-q", "-K", "-m", "reflink=1", disk)

    def open(self, disk: Path) -> Pool:
        """Mount the XFS, whose log is replayed by that."""
        self._point.mkdir(exist_ok=True)
        mount(disk, self._point, "xfs")
        self._freezer = Freezer(MountTable())
        self._serving = LoopFilePool.open(self._point / "pool", freezer=self._freezer)
        return self._serving

    def strays(self, pool: Pool) -> list[str]:
        """Name unknown files."""
        assert isinstance(pool, LoopFilePool)
        return [str(leftover.where) for leftover in pool.leftovers() if "is attached" not in leftover.why]

    def read(self, pool: Pool, id: VolumeId | SnapshotId) -> bytes:
        """Read as clients do."""
        return read_by_pool(pool, id)

    def remove_flush(self, patch: pytest.MonkeyPatch) -> None:
        """On XFS it is one fsync; clients use fdatasync."""
        patch.setattr(os, "fsync", lambda fd: None)

    def let_go(self, disk: Path) -> None:
        """Detach the volumes and unmount the XFS."""
        if self._freezer is not None:
            self._freezer.close()
        if self._serving is not None:
            with suppress(OSError):
                self._serving._folder.release()
            self._serving = None
        for key in loops.attached_loops():
            if self._point.is_mount() and key[0] == self._point.stat().st_dev:
                detach_patiently(key)
        for entry in reversed(read_mountinfo()):
            if entry.point == self._point:
                unmount(self._point)

    def check(self, disk: Path) -> None:
        """Let xfs_repair look."""
        run("xfs_repair", "-n", disk)


class LvmDirectStore:
    """A thin pool over the disk, and our own records in it."""

    def __init__(self, folder: Path) -> None:
        self._thin = ThinPool(folder, mebibytes=360)
        self._pools = LvmDirectPools(self._thin.group, self._thin.thin_pool)

    def lay(self, disk: Path) -> None:
        """Nothing is needed: an empty disk is an empty thin pool."""

    def open(self, disk: Path) -> Pool:
        """Set the thin pool up."""
        self._thin.activate(disk)
        return self._pools.open()

    def strays(self, pool: Pool) -> list[str]:
        """Name thin devices without a record, and block devices of no volume."""
        assert isinstance(pool, LvmDirectPool)
        known = {0, *pool._ledger.devices().values()}
        unknown = [f"thin device {device.id}" for device in devices_in(pool._pool) if device.id not in known]
        return unknown + [str(it.where) for it in pool.leftovers() if "is attached" not in it.why]

    def read(self, pool: Pool, id: VolumeId | SnapshotId) -> bytes:
        """Read as clients do."""
        return read_by_pool(pool, id)

    def remove_flush(self, patch: pytest.MonkeyPatch) -> None:
        """It is the flush of the journal's device."""
        patch.setattr(DirectDevice, "flush", lambda device: None)

    def let_go(self, disk: Path) -> None:
        """Take the thin devices and the thin pool away."""
        self._pools.kill()
        self._thin.deactivate()

    def check(self, disk: Path) -> None:
        """Let thin_check look."""
        self._thin.check(disk)


STORES: Mapping[str, Callable[[Path], Store]] = {
    "loopfile": LoopFileStore,
    "lvm": LvmStore,
    "lvm-direct": LvmDirectStore,
    "zfs": ZfsStore,
}
