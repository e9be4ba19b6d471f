"""The embedded pool under the contract: in a folder of an XFS, and in the image that it makes for itself elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from rokcsi.model.errors import RokcsiError, SystemCallFailed
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system import loops, mounts
from rokcsi.system.command import HostRunner
from rokcsi.system.failpoints import failing
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable
from tests.contract.harness import PoolHarness

_ROOM = Bytes(8 << 30)
_PLACES_OF_FAILURE = ("loopfile.cut.copied", "loopfile.cut.named")


class LoopFileHarness:
    """A pool in a folder; it makes an image for itself where that folder has no reflinks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._table = MountTable()
        self._freezer = Freezer(self._table)
        self._serving: LoopFilePool | None = None

    def open(self) -> Pool:
        """Begin with an empty folder."""
        self._serving = LoopFilePool.open(self._folder, freezer=self._freezer, image_size=_ROOM)
        return self._serving

    def reopen(self, pool: Pool) -> Pool:
        """Give up the folder's lock, as a killed process does, and nothing else."""
        self._release()
        return self.open()

    @contextmanager
    def in_use(self, pool: Pool, id: VolumeId) -> Iterator[None]:
        """Claim the block device, as the kernel does for a mount."""
        claim = os.open(pool.attach(id), os.O_RDONLY | os.O_EXCL)
        try:
            yield
        finally:
            os.close(claim)

    def failing_cuts(self, pool: Pool, member: int) -> Sequence[AbstractContextManager[None]]:
        """Fail after its reflink, and after its file got its name."""
        error = SystemCallFailed(f"made to fail at member {member}")
        return [failing(place, error, visit=member + 1) for place in _PLACES_OF_FAILURE]

    def strays(self, pool: Pool) -> list[str]:
        """Leave out the devices of volumes that are there: a test may have left them attached."""
        known = {str(_loopfile(pool)._attachments.loop_of(volume.id)) for volume in pool.volumes()}
        found = _loopfile(pool).leftovers()
        return sorted(str(leftover.where) for leftover in found if str(leftover.where) not in known)

    def close(self) -> None:
        """Detach whatever shows a file below the folder, then unmount and detach the image, end the watchdog."""
        self._release()
        self._detach_all(lambda backing: backing.parent.name == "volumes")
        if (self._folder / "mnt").is_mount():
            mounts.unmount(self._folder / "mnt")
        self._detach_all(lambda _: True)
        self._freezer.close()
        self._table.close()

    def _release(self) -> None:
        if self._serving is not None:
            self._serving._folder.release()
            self._serving = None

    def _detach_all(self, wanted: Callable[[Path], bool]) -> None:
        for shown in Path("/sys/block").glob("loop*/loop/backing_file"):
            with suppress(FileNotFoundError):
                backing = Path(shown.read_text().strip().removesuffix(" (deleted)"))
                if backing.is_relative_to(self._folder) and wanted(backing):
                    HostRunner().run(["losetup", "--detach", f"/dev/{shown.parents[1].name}"])


def _loopfile(pool: Pool) -> LoopFilePool:
    assert isinstance(pool, LoopFilePool)
    return pool


@contextmanager
def loopfile_image(folder: Path) -> Iterator[PoolHarness]:
    """Give a pool below `folder`, in an image unless the folder has reflinks."""
    harness = LoopFileHarness(folder / "pool")
    try:
        yield harness
    finally:
        harness.close()


@contextmanager
def loopfile_on_xfs(folder: Path) -> Iterator[PoolHarness]:
    """Give a pool in a folder of an XFS, which is made for it and taken away afterwards."""
    image, point = folder / "store.xfs", folder / "store"
    point.mkdir()
    with image.open("xb") as file:
        file.truncate(_ROOM)
    HostRunner().run(["mkfs.xfs", "-q", "-K", "-s", "size=4096", "-m", "reflink=1", str(image)])
    loop = loops.attach(image)
    try:
        mounts.mount(loop.path, point, "xfs", 0, "nouuid")
        try:
            with loopfile_image(point) as harness:
                yield harness
        finally:
            mounts.unmount(point)
    finally:
        with suppress(RokcsiError):
            loops.detach(loop, loops.key_of(image))
