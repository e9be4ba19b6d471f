"""File systems that are really damaged, or only interrupted, on a real pool: what asks for verification tells them apart."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rokcsi.model.errors import VolumeDamaged
from rokcsi.model.pool import Pool
from rokcsi.model.provisioner import GroupRequest, SnapshotRequest, Verification, VolumeRequest
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.volume import Volume
from rokcsi.mounting.linux import LinuxMounter
from rokcsi.pools.admitting import Limits
from rokcsi.pools.opening import served
from rokcsi.system import loops
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import mount, unmount
from rokcsi.volumes.provisioning import PoolProvisioner
from tests.fakes.loop_file_pools import LoopFilePools, loop_file_pools

pytestmark = pytest.mark.system
SIZE = SizeRange(Bytes(320 << 20))
BLOCK = 4096
FILESYSTEMS = ("xfs", "ext4")


class House:
    """The pool as it is served, its provisioner with a real checker, and a folder to mount at."""

    def __init__(self, pools: LoopFilePools) -> None:
        (pools.folder / "kubelet").mkdir()
        self.pools, self.locks = pools, KeyedLocks()
        self.pool: Pool = served(pools.open(), Limits(), self.locks)
        mounter = LinuxMounter(TargetRoots([pools.folder / "kubelet"]), pools.table)
        self.provisioner = PoolProvisioner(self.pool, mounter, self.locks)

    def volume(self, filesystem: str, name: str = "v") -> Volume:
        """Make a volume and put some hundreds of real files on it."""
        volume = self.provisioner.provision(VolumeRequest(name, SIZE, filesystem))
        with self.mounted(volume) as point:
            for number in range(300):
                folder = point / f"folder{number % 10}"
                folder.mkdir(exist_ok=True)
                (folder / f"file{number}").write_bytes(os.urandom(1 + number * 37))
        return volume

    @contextmanager
    def mounted(self, volume: Volume) -> Iterator[Path]:
        """Show a volume's files for a block."""
        point = self.pools.folder / "point"
        point.mkdir(exist_ok=True)
        options = "nouuid" if volume.filesystem == "xfs" else ""
        mount(self.pool.attach(volume.id), point, volume.filesystem or "", 0, options)
        try:
            yield point
        finally:
            unmount(point)
            self.pool.detach(volume.id)

    def damage(self, volume: Volume, place: Callable[[int], int]) -> None:
        """Write garbage over a block of a volume that nobody has mounted."""
        fd = os.open(self.pool.attach(volume.id), os.O_RDWR | os.O_CLOEXEC)
        try:
            os.pwrite(fd, b"\xa5garbage" * (BLOCK // 8), place(fd))
            os.fsync(fd)
        finally:
            os.close(fd)
        self.pool.detach(volume.id)

    def cut(self, volume: Volume, verify: Verification, name: str = "s") -> str:
        """Cut a snapshot, give its handle."""
        handles = self.provisioner.handles
        return handles.of_snapshot(self.provisioner.cut(SnapshotRequest(name, handles.of_volume(volume.id), verify)).id)

    def clone(self, verify: Verification, **source: str) -> Volume:
        """Make a volume of a source."""
        request = VolumeRequest("clone", SizeRange(), "", verify_clone=verify, **source)  # type: ignore[arg-type]  # only the two sources
        return self.provisioner.provision(request)

    def everything(self) -> tuple[object, ...]:
        """Give all there is: things, files below the pool's folder, and loop devices over them."""
        files = sorted(path for path in self.pools.place.rglob("*") if path.is_file())
        files = [file for file in files if "templates" not in file.parts]
        attached = loops.attached_loops()
        shown = [file for file in files if loops.key_of(file) in attached]
        return self.pool.volumes(), self.pool.snapshots(), files, shown, self.locks.keys_in_use


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with loop_file_pools(tmp_path) as pools:
        yield House(pools)


def at(block: int) -> Callable[[int], int]:
    return lambda _: block * BLOCK


def ext4_inode_table(fd: int) -> int:
    """The inodes of the first group, the root folder's among them: the first descriptor names their block."""
    (block,) = struct.unpack("<I", os.pread(fd, 4, BLOCK + 8))
    return int(block) * BLOCK


# In an XFS with sectors of 4096 bytes: superblock, AGF, AGI, AGFL, then the roots of its trees.
DAMAGES = [
    pytest.param("xfs", at(1), id="xfs-free-space"),
    pytest.param("xfs", at(2), id="xfs-inode-header"),
    pytest.param("xfs", at(4), id="xfs-tree-root"),
    pytest.param("ext4", at(1), id="ext4-descriptors"),
    pytest.param("ext4", ext4_inode_table, id="ext4-inodes"),
]


@pytest.mark.parametrize(("filesystem", "place"), DAMAGES)
def test_a_damaged_volume_gives_no_verified_snapshot_and_no_verified_clone(
    house: House, filesystem: str, place: Callable[[int], int]
) -> None:
    volume = house.volume(filesystem)
    house.damage(volume, place)
    before = house.everything()
    with pytest.raises(VolumeDamaged):
        house.cut(volume, Verification.CHECK)
    with pytest.raises(VolumeDamaged):
        house.clone(Verification.CHECK, from_volume=house.provisioner.handles.of_volume(volume.id))
    assert house.everything() == before
    snapshot = house.cut(volume, Verification.NONE)
    before = house.everything()
    for _ in range(2):
        with pytest.raises(VolumeDamaged):
            house.clone(Verification.CHECK, from_snapshot=snapshot)
        assert house.everything() == before
    assert house.clone(Verification.NONE, from_snapshot=snapshot).source is not None


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_sound_volume_passes(house: House, filesystem: str) -> None:
    volume = house.volume(filesystem)
    snapshot = house.cut(volume, Verification.CHECK)
    clone = house.clone(Verification.CHECK, from_snapshot=snapshot)
    with house.mounted(clone) as point:
        assert len(list(point.glob("folder*/file*"))) == 300
    assert sorted(each.name for each in house.pool.volumes()) == ["clone", "v"]


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_volume_cut_while_it_is_mounted_and_written_passes(house: House, filesystem: str) -> None:
    volume = house.volume(filesystem)
    with house.mounted(volume) as point, _busy(point):
        for number in range(3):
            snapshot = house.cut(volume, Verification.CHECK, f"s{number}")
        clone = house.clone(Verification.CHECK, from_snapshot=snapshot)
    with house.mounted(clone) as point:
        assert len(list(point.glob("folder*/file*"))) == 300
    assert len(house.pool.volumes()) == 2


def test_one_damaged_member_leaves_nothing_of_its_group(house: House) -> None:
    sound, damaged = house.volume("xfs", "sound"), house.volume("ext4", "damaged")
    house.damage(damaged, ext4_inode_table)
    before = house.everything()
    handles = tuple(house.provisioner.handles.of_volume(each.id) for each in (sound, damaged))
    with pytest.raises(VolumeDamaged):
        house.provisioner.cut_group(GroupRequest("g", handles, verify=Verification.CHECK))
    assert house.everything() == before


@contextmanager
def _busy(point: Path) -> Iterator[None]:
    """Make, rename and remove files, and write into one, all the while."""
    stop, rounds = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (point / "new").write_bytes(os.urandom(50_000))
            (point / "new").rename(point / f"old{number % 20}")
            (point / f"old{(number * 7) % 20}").unlink(missing_ok=True)
            rounds.release()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(20):
            assert rounds.acquire(timeout=30)
        yield
    finally:
        stop.set()
        thread.join(30)
