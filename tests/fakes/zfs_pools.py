"""ZFS pools for tests: each on a file of its own, with a dataset for us, and gone afterwards whatever its state."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rokcsi.model.ids import PoolId
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import NewVolume, Volume
from rokcsi.pools.zfs import ZfsPool
from rokcsi.pools.zfs.records import POOL
from rokcsi.system.command import HostRunner
from rokcsi.system.freezing import Freezer, thaw_all
from rokcsi.system.make_filesystem import make_on_device
from rokcsi.system.mounts import MountTable, mount, unmount
from tests.fakes.patience import eventually

_SIZE = 4 << 30
_VOLUME_SIZE = Bytes(320 << 20)


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
    """One ZFS pool on a sparse file in a folder, or on a `disk`, and ours in it."""

    def __init__(self, folder: Path, size: int = _SIZE, disk: Path | None = None) -> None:
        self.disk = disk or folder / "zfs.img"
        self._folder = folder
        if disk is None:
            with self.disk.open("xb") as file:
                file.truncate(size)
        self.pool = f"rokcsi-{uuid.uuid4().hex[:8]}"
        self.dataset = f"{self.pool}/ours"
        zpool("create", "-O", "mountpoint=none", "-O", "compression=on", self.pool, str(self.disk))
        mark = f"{POOL}={PoolId.fresh()}"
        zfs("create", *_options("canmount=off", "volmode=dev", "snapdev=hidden", mark), self.dataset)
        self._table = MountTable()
        self._freezers: list[Freezer] = []
        self._opened: list[ZfsPool] = []

    def open(self, *, reserve: bool = False) -> ZfsPool:
        """Open our pool."""
        freezer = Freezer(self._table)
        self._freezers.append(freezer)
        self._opened.append(ZfsPool.open(self.dataset, freezer=freezer, reserve=reserve))
        return self._opened[-1]

    def reopen(self, pool: ZfsPool, *, reserve: bool = False) -> ZfsPool:
        """Let go of what a killed process would, and open again."""
        pool._held.close()
        return self.open(reserve=reserve)

    def formatted(self, pool: ZfsPool, name: str, filesystem: str, size: Bytes = _VOLUME_SIZE) -> Volume:
        """Make a volume with a file system on it."""
        volume = pool.create_volume(NewVolume(name, size, filesystem))
        make_on_device(HostRunner(), pool.attach(volume.id), filesystem)
        return pool.mark_formatted(volume.id)

    @contextmanager
    def mounted(self, pool: ZfsPool, volume: Volume) -> Iterator[Path]:
        """Mount a volume for a block."""
        point = self._folder / f"mount-{volume.id}"
        point.mkdir(exist_ok=True)
        device, filesystem = pool.attach(volume.id), volume.filesystem or ""
        mount(device, point, filesystem, 0, "nouuid" if filesystem == "xfs" else "")
        try:
            yield point
        finally:
            thaw_all([point])
            unmount(point)

    def names(self) -> list[str]:
        """Give the names of everything below our dataset."""
        return zfs("list", "-H", "-t", "all", "-r", "-o", "name", self.dataset).splitlines()[1:]

    def settle(self) -> None:
        """Wait until everything written so far is in the pool's figures."""
        zpool("sync", self.pool)

    def close(self) -> None:
        """Remove the pool; what a test that failed has left open is closed."""
        for pool in self._opened:
            pool.close()
        for freezer in self._freezers:
            freezer.close()
        self._table.close()
        if zpool("list", "-H", "-o", "readonly", self.pool).strip() == "on":
            zpool("export", self.pool)
            zpool("import", "-d", str(self.disk.parent), self.pool)
        eventually(self._destroyed, 60, every=0.5)
        if self.disk.is_relative_to(self._folder):
            self.disk.unlink()

    def _destroyed(self) -> bool:
        """Destroy it, unless something that was killed a moment ago still holds a device of it."""
        command = ["zpool", "destroy", "-f", self.pool]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert ended.returncode == 0 or "busy" in ended.stderr, ended.stderr
        return ended.returncode == 0


def _options(*properties: str) -> list[str]:
    return [word for each in properties for word in ("-o", each)]
