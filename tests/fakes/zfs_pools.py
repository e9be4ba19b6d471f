"""ZFS pools for tests: each on a file of its own, with a dataset for us, and gone afterwards whatever its state."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

from rokcsi.model.ids import PoolId
from rokcsi.pools.zfs import ZfsPool
from rokcsi.pools.zfs.records import POOL
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable

_SIZE = 4 << 30


def zfs(*words: str) -> str:
    """Run a command of ZFS; give what it printed."""
    ended = subprocess.run(["zfs", *words], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, f"zfs {' '.join(words)}: {ended.stderr}"
    return ended.stdout


def zpool(*words: str) -> str:
    """Run a command on pools; give what it printed."""
    ended = subprocess.run(["zpool", *words], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, f"zpool {' '.join(words)}: {ended.stderr}"
    return ended.stdout


class ZfsPools:
    """One ZFS pool on a sparse file in a folder, and ours in it."""

    def __init__(self, folder: Path, size: int = _SIZE) -> None:
        self.disk = folder / "zfs.img"
        with self.disk.open("xb") as file:
            file.truncate(size)
        self.pool = f"rokcsi-{uuid.uuid4().hex[:8]}"
        self.dataset = f"{self.pool}/ours"
        zpool("create", "-O", "mountpoint=none", "-O", "compression=on", self.pool, str(self.disk))
        mark = f"{POOL}={PoolId.fresh()}"
        zfs("create", *_options("canmount=off", "volmode=dev", "snapdev=hidden", mark), self.dataset)
        self._table = MountTable()
        self._freezers: list[Freezer] = []

    def open(self, *, reserve: bool = False) -> ZfsPool:
        """Open our pool."""
        freezer = Freezer(self._table)
        self._freezers.append(freezer)
        return ZfsPool.open(self.dataset, freezer=freezer, reserve=reserve)

    def reopen(self, pool: ZfsPool, *, reserve: bool = False) -> ZfsPool:
        """Let go of what a killed process would, and open again."""
        pool._held.close()
        return self.open(reserve=reserve)

    def names(self) -> list[str]:
        """Give the names of everything below our dataset."""
        return zfs("list", "-H", "-t", "all", "-r", "-o", "name", self.dataset).splitlines()[1:]

    def settle(self) -> None:
        """Wait until everything written so far is in the pool's figures."""
        zpool("sync", self.pool)

    def close(self) -> None:
        """Remove the pool."""
        for freezer in self._freezers:
            freezer.close()
        self._table.close()
        zpool("destroy", "-f", self.pool)
        self.disk.unlink()


def _options(*properties: str) -> list[str]:
    return [word for each in properties for word in ("-o", each)]
