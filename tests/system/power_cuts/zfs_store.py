"""The pool on ZFS on a disk of a test's own, imported from wherever that is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.pools.zfs import ZfsPool
from tests.contract.zfs_harness import ZfsHarness
from tests.fakes.zfs_pools import ZfsPools, zpool
from tests.system.power_cuts.witness import read_by_pool

_NO_FLUSHES = Path("/sys/module/zfs/parameters/zfs_nocacheflush")


class ZfsStore:
    """A ZFS pool that is the disk, and ours in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pools: ZfsPools | None = None
        self._serving: ZfsPool | None = None
        self._flushes = True

    @property
    def pools(self) -> ZfsPools:
        """The pool that was laid."""
        assert self._pools is not None
        return self._pools

    def lay(self, disk: Path) -> None:
        """Make the ZFS pool and our dataset; opening imports it."""
        self._pools = ZfsPools(self._folder, disk=disk)
        zpool("export", self._pools.pool)

    def open(self, disk: Path) -> Pool:
        """Import the pool; what a client's last flush has left in ZFS's log is replayed by that."""
        zpool("import", "-f", "-N", "-o", "cachefile=none", "-o", "failmode=continue", "-d", str(disk), self.pools.pool)
        _NO_FLUSHES.write_text(str(int(not self._flushes)))
        self._flushes = True
        self._serving = self.pools.open()
        return self._serving

    def strays(self, pool: Pool) -> list[str]:
        """Name what is below the dataset and neither known, nor needed by something that is."""
        return ZfsHarness(self.pools).strays(pool)

    def read(self, pool: Pool, id: VolumeId | SnapshotId) -> bytes:
        """Read as clients do."""
        return read_by_pool(pool, id)

    def remove_flush(self, patch: pytest.MonkeyPatch) -> None:
        """The driver has none: ZFS flushes with each transaction group, and is told here not to, for clients neither."""
        self._flushes = False

    def let_go(self, disk: Path) -> None:
        """End the driver as a kill does, and export the pool."""
        _NO_FLUSHES.write_text("0")
        if self._serving is not None:
            self._serving._held.close()
            self._serving = None
        if self.pools.pool in zpool("list", "-H", "-o", "name").split():
            zpool("export", "-f", self.pools.pool)

    def check(self, disk: Path) -> None:
        """Let ZFS read every block and compare it with its checksum."""
        zpool("import", "-f", "-N", "-o", "cachefile=none", "-d", str(disk), self.pools.pool)
        try:
            zpool("scrub", "-w", self.pools.pool)
            assert "errors: No known data errors" in zpool("status", self.pools.pool)
        finally:
            zpool("export", "-f", self.pools.pool)
