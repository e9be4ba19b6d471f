"""Real block devices for system tests: loop devices over sparse files in a folder of the test's own.

`LoopDisks.close` unmounts whatever is mounted below the folder and detaches every device it
made, also after a failure. `LoopedPool` is MemoryPool with such devices instead of files.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rokcsi.model.ids import VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import Volume
from rokcsi.pools.memory import MemoryPool
from rokcsi.system.mounts import read_mountinfo, unmount
from tests.fakes.patience import eventually

MAKERS = {
    "xfs": ("mkfs.xfs", "-q", "-s", "size=4096", "-m", "reflink=1"),
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,nodiscard"),
}


def run(*argv: str | Path) -> str:
    """Run a program; its failure is the test's."""
    ended = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, f"{argv}: {ended.stderr or ended.stdout}"
    return ended.stdout.strip()


class LoopDisks:
    """Loop devices by the files below them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.devices: dict[Path, Path] = {}

    def attach(self, file: Path) -> Path:
        """Give the one device of a file."""
        if file not in self.devices:
            self.devices[file] = Path(run("losetup", "--find", "--show", file))
            # A device number keeps BLKROSET beyond its file: no test is to suffer from another.
            run("blockdev", "--setrw", self.devices[file])
        return self.devices[file]

    def detach(self, file: Path) -> None:
        """Take the device of a file away."""
        device = self.devices.pop(file, None)
        if device is not None:
            run("losetup", "--detach", device)

    def pull(self, file: Path) -> None:
        """Take the device of a file away, and wait until it is: the kernel keeps it as long as somebody looks at it."""
        beneath = Path("/sys/block") / self.devices[file].name / "loop"
        self.detach(file)
        eventually(lambda: not beneath.exists())

    def disk(self, name: str, size: int, filesystem: str | None = None) -> Path:
        """Give a new device, with a file system on it."""
        file = self.folder / name
        with file.open("xb") as opened:
            opened.truncate(size)
        device = self.attach(file)
        if filesystem is not None:
            run(*MAKERS[filesystem], device)
        return device

    def grow(self, name: str, size: int) -> None:
        """Lengthen a file and tell its device."""
        with (self.folder / name).open("r+b") as opened:
            opened.truncate(size)
        run("losetup", "--set-capacity", self.attach(self.folder / name))

    def copy(self, name: str, to: str) -> Path:
        """Give a device over a copy of a file as it is now."""
        run("cp", "--sparse=always", self.folder / name, self.folder / to)
        return self.attach(self.folder / to)

    def unmount(self) -> None:
        """Unmount whatever is mounted below the folder."""
        for entry in reversed(read_mountinfo()):
            if entry.point.is_relative_to(self.folder):
                with suppress(OSError):
                    unmount(entry.point)

    def close(self) -> None:
        """Leave nothing behind."""
        self.unmount()
        for file in list(self.devices):
            run("blockdev", "--setrw", self.devices[file])
            self.detach(file)


@contextmanager
def loop_disks(folder: Path) -> Iterator[LoopDisks]:
    """Give disks in a folder for a block, and clean up after it."""
    disks = LoopDisks(folder)
    try:
        yield disks
    finally:
        disks.close()


class LoopedPool(MemoryPool):
    """MemoryPool whose volumes attach as loop devices."""

    def __init__(self, disks: LoopDisks) -> None:
        super().__init__(disks.folder)
        self._disks = disks

    def attach(self, id: VolumeId) -> Path:
        """Give a loop device."""
        return self._disks.attach(super().attach(id))

    def detach(self, id: VolumeId) -> None:
        """Take it away."""
        super().detach(id)
        self._disks.detach(self._path(id))

    def attached(self, id: VolumeId) -> Path | None:
        """Give the loop device while there is one."""
        return self._disks.devices.get(self._path(id))

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Lengthen the file, and the device when there is one."""
        volume = super().grow_volume(id, size)
        if self._path(id) in self._disks.devices:
            run("losetup", "--set-capacity", self._disks.devices[self._path(id)])
        return volume
