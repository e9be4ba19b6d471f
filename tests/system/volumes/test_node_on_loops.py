from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest, NotStaged, StillInUse, TargetDiffers, VolumeDamaged
from rokcsi.model.ids import Handles, SnapshotId
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume, VolumeSource
from rokcsi.mounting.linux import LinuxMounter
from rokcsi.system import mounts
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.block_devices import refuses_writing
from rokcsi.system.mounts import MountTable
from rokcsi.volumes.node import PoolNodeVolumes
from tests.fakes.loop_disks import LoopDisks, LoopedPool, loop_disks, run
from tests.fakes.node_house import MIB, SHARED, SHARED_RAW, NodeHouse

pytestmark = pytest.mark.system
SIZE = 300 * MIB
ANY = SizeRange()


class LoopHouse(NodeHouse):
    """NodeHouse on real devices."""

    def cloned(self, volume: str, name: str = "clone", size: int = SIZE, filesystem: str = "xfs") -> str:
        """Copy a volume as it is on its device now; give the clone's handle."""
        snapshot = self.pool.take_snapshots([NewSnapshot(f"for {name}", self.id_of(volume))])[0]
        new = NewVolume(name, Bytes(size), filesystem, VolumeSource(snapshot=SnapshotId(snapshot.id)))
        return Handles(self.pool.id).of_volume(self.pool.clone_snapshot(snapshot.id, new).id)


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[LoopDisks]:
    (tmp_path / "pool").mkdir()
    with loop_disks(tmp_path / "pool") as made:
        yield made
        _unmount_all(tmp_path)


def _unmount_all(folder: Path) -> None:
    for entry in reversed(mounts.read_mountinfo()):
        if entry.point.is_relative_to(folder):
            mounts.unmount(entry.point, mounts.MNT_DETACH)


@pytest.fixture
def table() -> Iterator[MountTable]:
    made = MountTable()
    yield made
    made.close()


@pytest.fixture
def house(tmp_path: Path, disks: LoopDisks, table: MountTable) -> Iterator[LoopHouse]:
    kubelet = tmp_path / "kubelet"
    kubelet.mkdir()
    mounter = LinuxMounter(TargetRoots([kubelet]), table)
    try:
        yield LoopHouse(LoopedPool(disks), mounter, kubelet, tmp_path / "records")
    finally:
        _unmount_all(tmp_path)


def used_volume(house: LoopHouse, filesystem: str = "xfs", text: str = "first") -> str:
    """Make a volume that a pod has written to, staged at `staging` and published at `pod/mount`."""
    volume = house.volume("used", filesystem, SIZE)
    house.stage(volume)
    house.publish(volume)
    (house.at("pod/mount") / "file").write_text(text)
    run("sync", "-f", house.at("pod/mount"))
    return volume


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_what_a_pod_has_written_the_next_one_sees(house: LoopHouse, filesystem: str, disks: LoopDisks) -> None:
    volume = used_volume(house, filesystem)
    house.unpublish(volume)
    house.unstage(volume)
    assert disks.devices == {}
    house.stage(volume)
    house.publish(volume, "pod2")
    assert (house.at("pod2") / "file").read_text() == "first"


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_larger_clone_is_grown_while_its_origin_is_mounted(house: LoopHouse, filesystem: str) -> None:
    volume = used_volume(house, filesystem)
    clone = house.cloned(volume, size=600 * MIB, filesystem=filesystem)
    house.stage(clone, "clone")
    house.publish(clone, "pod2", staging="clone")
    assert (house.at("pod2") / "file").read_text() == "first"
    (house.at("pod2") / "file").write_text("second")
    assert (house.at("pod/mount") / "file").read_text() == "first"
    assert house.node.stats(clone, house.at("pod2")).total > 450 * MIB


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_clone_with_a_dirty_log_can_be_published_to_readers(house: LoopHouse, filesystem: str) -> None:
    clone = house.cloned(used_volume(house, filesystem), filesystem=filesystem)
    readers = replace(SHARED, readonly=True)
    house.stage(clone, "clone", readers)
    for pod in ("r1", "r2"):
        house.publish(clone, pod, readers, readonly=True, staging="clone")
        assert (house.at(pod) / "file").read_text() == "first"
        with pytest.raises(OSError, match="Read-only"):
            (house.at(pod) / "file").write_text("x")


def test_a_readonly_publish_is_no_hindrance_to_growing(house: LoopHouse) -> None:
    volume = house.volume(size=SIZE)
    house.stage(volume)
    house.publish(volume, readonly=True)
    house.pool.grow_volume(house.id_of(volume), Bytes(2 * SIZE))
    assert house.node.expand(volume, house.at("pod/mount"), SizeRange(Bytes(2 * SIZE))) == 2 * SIZE
    assert house.node.stats(volume, house.at("pod/mount")).total > 1.6 * SIZE


def test_ext4_expands_while_mounted_or_with_the_next_stage(house: LoopHouse) -> None:
    volume = used_volume(house, "ext4")
    house.pool.grow_volume(house.id_of(volume), Bytes(2 * SIZE))
    try:
        house.node.expand(volume, house.at("pod/mount"), ANY)
    except StillInUse:
        assert (house.at("pod/mount") / "file").read_text() == "first"
    house.unpublish(volume)
    house.unstage(volume)
    house.stage(volume)
    assert house.node.stats(volume, house.at("staging")).total > 1.6 * SIZE
    assert (house.at("staging") / "file").read_text() == "first"


def test_a_busy_pod_keeps_its_volume(house: LoopHouse) -> None:
    volume = used_volume(house)
    with (house.at("pod/mount") / "open").open("w"):
        with pytest.raises(StillInUse):
            house.unpublish(volume)
        with pytest.raises(StillInUse):
            house.unstage(volume)
        house.publish(volume)
    house.unpublish(volume)
    house.unstage(volume)


def test_a_bind_made_twice_never_leads_to_a_delete(house: LoopHouse) -> None:
    volume = used_volume(house)
    mounts.bind(house.at("staging"), house.at("pod/mount"))
    mounts.mount("none", house.at("pod/mount"), "tmpfs")
    house.unpublish(volume)
    assert not house.at("pod/mount").exists()
    assert (house.at("staging") / "file").read_text() == "first"


def test_a_foreign_mount_on_a_path_is_left_alone(house: LoopHouse) -> None:
    volume = used_volume(house)
    for word in ("theirs", "staging2"):
        house.at(word).mkdir()
        mounts.mount("none", house.at(word), "tmpfs")
        (house.at(word) / "theirs").write_text("x")
    with pytest.raises(TargetDiffers):
        house.publish(volume, "theirs", SHARED)
    with pytest.raises(TargetDiffers):
        house.stage(volume, "staging2")
    with pytest.raises(StillInUse, match="by hand"):
        house.unpublish(volume, "theirs")
    house.unstage(house.volume("other", size=SIZE), "staging2")
    assert [(house.at(word) / "theirs").read_text() for word in ("theirs", "staging2")] == ["x", "x"]


def test_a_target_that_is_a_link_is_refused_and_nothing_is_mounted(house: LoopHouse) -> None:
    volume = house.volume(size=SIZE)
    outside = house.kubelet.parent / "outside"
    (outside / "sub").mkdir(parents=True)
    house.at("link").symlink_to(outside)
    for below in ("link", "link/sub", "link/new"):
        with pytest.raises(InvalidRequest, match="symbolic link"):
            house.stage(volume, below)
    house.stage(volume)
    for below in ("link", "link/sub", "link/new"):
        with pytest.raises(InvalidRequest, match="symbolic link"):
            house.publish(volume, below)
        with pytest.raises((InvalidRequest, StillInUse)):
            house.unpublish(volume, f"{below}/x")
    assert sorted(path.name for path in outside.rglob("*")) == ["sub"]
    assert not any(entry.point.is_relative_to(outside) for entry in mounts.read_mountinfo())


def test_a_staging_path_unmounted_by_somebody_is_not_published(house: LoopHouse) -> None:
    volume = used_volume(house)
    house.unpublish(volume)
    mounts.unmount(house.at("staging"))
    with pytest.raises(NotStaged):
        house.publish(volume)
    house.stage(volume)
    house.publish(volume)
    assert (house.at("pod/mount") / "file").read_text() == "first"


def test_a_volume_whose_contents_were_wiped_is_not_formatted(house: LoopHouse) -> None:
    volume = used_volume(house)
    house.unpublish(volume)
    house.unstage(volume)
    with house.pool.attach(house.id_of(volume)).open("r+b") as device:
        device.write(bytes(MIB))
    with pytest.raises(VolumeDamaged, match="ever made over"):
        house.stage(volume)
    assert house.recorded() == 0


def test_a_raw_volume_goes_to_pods_as_a_device(house: LoopHouse, disks: LoopDisks) -> None:
    volume = house.volume(filesystem=None, size=SIZE)
    house.stage(volume, access=SHARED_RAW)
    house.publish(volume, "one", SHARED_RAW)
    house.publish(volume, "two", SHARED_RAW)
    with house.at("one").open("r+b", buffering=0) as device:
        device.write(b"raw".ljust(4096))
    assert house.at("two").read_bytes()[:3] == b"raw"
    with pytest.raises(StillInUse):
        house.publish(volume, "three", SHARED_RAW, readonly=True)
    house.unpublish(volume, "one")
    house.unpublish(volume, "two")
    house.publish(volume, "three", SHARED_RAW, readonly=True)
    with house.at("three").open("r+b", buffering=0) as device, pytest.raises(PermissionError):
        device.write(bytes(4096))
    assert house.node.stats(volume, house.at("three")).total == SIZE
    house.pool.grow_volume(house.id_of(volume), Bytes(2 * SIZE))
    assert house.node.expand(volume, house.at("three"), ANY) == 2 * SIZE
    house.unpublish(volume, "three")
    (device_path,) = disks.devices.values()
    assert not refuses_writing(device_path)
    house.unstage(volume)
    assert not any(house.at(word).exists() for word in ("one", "two", "three"))
    with house.pool.attach(house.id_of(volume)).open("r+b", buffering=0) as device:
        device.write(bytes(4096))


def test_a_restarted_driver_knows_what_is_mounted(house: LoopHouse, disks: LoopDisks) -> None:
    volume = used_volume(house)
    attached = dict(disks.devices)
    house.restart()
    house.stage(volume)
    house.publish(volume)
    with pytest.raises(StillInUse):
        house.publish(volume, "pod2")
    assert disks.devices == attached
    house.unpublish(volume)
    house.unstage(volume)
    assert disks.devices == {}


def test_records_below_roots_that_are_no_longer_such_do_not_stop_the_start(
    house: LoopHouse, table: MountTable, tmp_path: Path
) -> None:
    used_volume(house)
    (tmp_path / "other").mkdir()
    roots = TargetRoots([tmp_path / "other"])
    PoolNodeVolumes(house.pool, LinuxMounter(roots, table), roots, house.records)
    assert house.recorded() == 0
    assert (house.at("pod/mount") / "file").read_text() == "first"


_IN_ANOTHER_NAMESPACE = """
import sys
from pathlib import Path
from rokcsi.mounting.linux import LinuxMounter
from rokcsi.system import mounts
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.block_devices import refuses_writing
from rokcsi.system.mounts import MountTable
device, kubelet = Path(sys.argv[1]), Path(sys.argv[2])
for word in ("pod/mount", "staging"):
    mounts.unmount(kubelet / word)
mounter = LinuxMounter(TargetRoots([kubelet]), MountTable())
mounter.grow_unmounted(device, "xfs")
mounter.mount(device, kubelet / "staging", "xfs", readonly=False, options=())
print((kubelet / "staging/file").read_text())
"""


def test_a_device_mounted_in_another_namespace_can_be_mounted_here(house: LoopHouse, disks: LoopDisks) -> None:
    used_volume(house)
    (device,) = disks.devices.values()
    command = ("unshare", "--mount", "--propagation", "private", sys.executable, "-c", _IN_ANOTHER_NAMESPACE)
    assert run(*command, device, house.kubelet) == "first"
    assert (house.at("pod/mount") / "file").read_text() == "first"


def test_many_callers_at_once_make_one_mount(house: LoopHouse) -> None:
    volume = house.volume(size=SIZE)
    start = threading.Barrier(8)

    def ask(_: int) -> None:
        start.wait(30)
        house.stage(volume)
        house.publish(volume)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))
    points = [entry.point for entry in mounts.read_mountinfo() if entry.point.is_relative_to(house.kubelet)]
    assert sorted(points) == [house.at("pod/mount"), house.at("staging")]
    assert house.recorded() == 2


def test_with_hundreds_of_mounts_the_mount_table_is_not_read(house: LoopHouse, table: MountTable) -> None:
    origin = house.volume(size=SIZE)
    house.stage(origin)
    house.unstage(origin)
    for number in range(300):
        house.at(f"other/{number}").mkdir(parents=True)
        mounts.bind(house.at(f"other/{number}"), house.at(f"other/{number}"))
    clones = [house.cloned(origin, f"clone{number}") for number in range(3)]
    reads = table.reads
    for clone in clones:
        house.stage(clone, f"s/{clone}")
        house.publish(clone, f"p/{clone}", staging=f"s/{clone}")
        house.node.stats(clone, house.at(f"p/{clone}"))
    for clone in clones:
        house.unpublish(clone, f"p/{clone}")
        house.unstage(clone, f"s/{clone}")
    assert table.reads == reads


def test_no_process_is_started_on_the_way_to_a_pod(house: LoopHouse) -> None:
    clone = house.cloned(used_volume(house))
    house.pool.attach(house.id_of(clone))
    started: list[str] = []
    sys.addaudithook(
        lambda event, _: started.append(event) if event in {"subprocess.Popen", "os.fork", "os.exec"} else None
    )
    house.stage(clone, "clone")
    house.publish(clone, "pod2", staging="clone")
    assert started == []


def test_a_pod_of_one_volume_cannot_be_shown_inside_another(house: LoopHouse) -> None:
    used_volume(house)
    other = house.volume("other", size=SIZE)
    house.stage(other, "s2")
    with pytest.raises(InvalidRequest):
        house.publish(other, "pod/mount/sub", staging="s2")
    with pytest.raises(TargetDiffers):
        house.stage(other, "staging/sub")
    assert [path.name for path in house.at("staging").iterdir()] == ["file"]
