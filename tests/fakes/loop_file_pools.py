"""Loop-file pools for tests: in a folder of the test's own, on ext4, XFS or btrfs, and gone afterwards.

`LoopFilePools.close` unmounts what is mounted below the folder and detaches every loop over
a file in it, also after a failure.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rokcsi.model.sizes import Bytes
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system import loops
from rokcsi.system.freezing import Freezer, thaw_all
from rokcsi.system.mounts import MNT_DETACH, MountTable, mount, read_mountinfo, unmount
from tests.fakes.loop_disks import run

IMAGE_SIZE = Bytes(6 << 30)


class LoopFilePools:
    """Pools in `folder`; with a `host` file system (`btrfs`, `xfs`) the pool's folder is on a new one of that kind."""

    def __init__(self, folder: Path, host: str | None = None) -> None:
        self.folder = folder
        self.table = MountTable()
        self.freezer = Freezer(self.table)
        self.place = folder / "pool"
        if host is not None:
            self._make_host(host)

    def open(self) -> LoopFilePool:
        """Open the pool, as a driver does when it starts."""
        return LoopFilePool.open(self.place, freezer=self.freezer, image_size=IMAGE_SIZE)

    def reopen(self, pool: LoopFilePool) -> LoopFilePool:
        """Open it as the next driver does when the first one was killed."""
        pool._folder.release()
        return self.open()

    @contextmanager
    def mounted(self, pool: LoopFilePool, device: Path, name: str, filesystem: str = "xfs") -> Iterator[Path]:
        """Mount a volume's device for a block."""
        point = self.folder / name
        point.mkdir(exist_ok=True)
        mount(device, point, filesystem, 0, "nouuid" if filesystem == "xfs" else "")
        try:
            yield point
        finally:
            thaw_all([point])
            unmount(point)

    def close(self) -> None:
        """Leave nothing behind."""
        points = [entry.point for entry in read_mountinfo() if entry.point.is_relative_to(self.folder)]
        inside = [point for point in points if point.name not in {"mnt", "host"}]
        for point in [*reversed(inside), *(point for point in reversed(points) if point not in inside)]:
            thaw_all([point])
            with suppress(OSError):
                self._detach_below(point)
                unmount(point, MNT_DETACH)
        self._detach_below(self.folder)
        self.freezer.close()
        self.table.close()

    def _make_host(self, kind: str) -> None:
        disk, host = self.folder / "host.disk", self.folder / "host"
        with disk.open("xb") as file:
            file.truncate(IMAGE_SIZE)
        run(f"mkfs.{kind}", "-q", disk)
        host.mkdir()
        mount(loops.attach(disk).path, host, kind)
        self.place = host / "pool"

    def _detach_below(self, folder: Path) -> None:
        for loop in loops.attached_loops().values():
            backing = Path(f"/sys/block/{loop.path.name}/loop/backing_file")
            if backing.exists() and Path(backing.read_text().strip()).is_relative_to(folder):
                subprocess.run(["losetup", "--detach", loop.path], check=False, timeout=30)


@contextmanager
def loop_file_pools(folder: Path, host: str | None = None) -> Iterator[LoopFilePools]:
    """Give pools in a folder for a block, and clean up after it."""
    pools = LoopFilePools(folder, host)
    try:
        yield pools
    finally:
        pools.close()


def write_durably(device: Path, data: bytes, offset: int = 0) -> None:
    """Write to a block device, through to its file."""
    fd = os.open(device, os.O_RDWR)
    try:
        os.pwrite(fd, data, offset)
        os.fsync(fd)
    finally:
        os.close(fd)
