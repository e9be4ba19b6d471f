"""Snapshots taken while volumes come and go on the node: no cut mistakes one that is about to be mounted for an idle one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.errors import StillInUse, SystemCallFailed
from rokcsi.model.provisioner import GroupRequest, SnapshotRequest, VolumeRequest
from rokcsi.model.sizes import SizeRange
from rokcsi.model.snapshot import Consistency
from rokcsi.mounting.linux import LinuxMounter
from rokcsi.pools.admitting import Limits
from rokcsi.pools.opening import served
from rokcsi.system import loops
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.failpoints import visiting
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import mount, unmount
from rokcsi.volumes.node import PoolNodeVolumes
from rokcsi.volumes.provisioning import PoolProvisioner
from tests.fakes.loop_file_pools import LoopFilePools, loop_file_pools, write_durably
from tests.fakes.node_house import MIB, MOUNTED, RAW, SHARED_RAW, NodeHouse

pytestmark = pytest.mark.system
SIZE = 300 * MIB
PATIENCE = 60.0


class Driver(NodeHouse):
    """A node and a provisioner over one pool as it is served."""

    def __init__(self, pools: LoopFilePools) -> None:
        kubelet = pools.folder / "kubelet"
        kubelet.mkdir()
        self.locks = KeyedLocks()
        pool = served(pools.open(), Limits(overcommit=100, data_limit=1.0), self.locks)
        super().__init__(pool, LinuxMounter(TargetRoots([kubelet]), pools.table), kubelet, pools.folder / "records")
        self.provisioner = PoolProvisioner(pool, self.mounter, self.locks, self.node)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    with loop_file_pools(tmp_path) as pools:
        yield Driver(pools)


def contents_of_snapshot(driver: Driver, snapshot: str, name: str) -> list[str]:
    """Clone a snapshot and list what a pod would see."""
    request = VolumeRequest(name, SizeRange(), "", from_snapshot=snapshot)
    clone = driver.provisioner.handles.of_volume(driver.provisioner.provision(request).id)
    driver.stage(clone, name)
    found = sorted(path.name for path in driver.at(name).iterdir())
    driver.unstage(clone, name)
    return found


def test_a_volume_is_mounted_before_a_cut_or_after_it_never_within(driver: Driver) -> None:
    early, late = driver.volume("early", size=SIZE), driver.volume("late", size=SIZE)
    driver.stage(early, "s-early")
    driver.pool.attach(driver.id_of(late))  # as a stage that failed half-way would leave it
    mounted = threading.Event()

    def stage_and_write() -> None:
        driver.stage(late, "s-late")
        mounted.set()
        (driver.at("s-late") / "first").write_text("1")
        (driver.at("s-early") / "second").write_text("2")

    with ThreadPoolExecutor(1) as pod:
        with visiting("loopfile.cut.prepared", lambda: _begin(pod, stage_and_write, mounted)):
            cut = driver.provisioner.cut_group(GroupRequest("g", (early, late)))
        assert mounted.wait(PATIENCE)
    assert {snapshot.consistency for snapshot in cut} == {Consistency.FROZEN}
    handles = [driver.provisioner.handles.of_snapshot(snapshot.id) for snapshot in cut]
    assert [contents_of_snapshot(driver, handle, f"c{n}") for n, handle in enumerate(handles)] == [[], []]


def _begin(pod: ThreadPoolExecutor, deed: Callable[[], None], mounted: threading.Event) -> None:
    pod.submit(deed)
    assert not mounted.wait(0.5)


def test_no_cut_comes_between_attaching_and_mounting(driver: Driver) -> None:
    volume = driver.volume(size=SIZE)
    taken = threading.Event()

    def cut() -> None:
        driver.provisioner.cut(SnapshotRequest("s", volume))
        taken.set()

    with ThreadPoolExecutor(1) as other:
        with visiting("node.stage.recorded", lambda: _begin(other, cut, taken)):
            driver.stage(volume)
        assert taken.wait(PATIENCE)


@contextmanager
def repeated(deed: Callable[[int], None]) -> Iterator[None]:
    """Do a deed again and again for a block; what it raises is the test's failure."""
    over = threading.Event()

    def repeat() -> None:
        count = 0
        while not over.is_set():
            count += 1
            deed(count)

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(repeat)
        try:
            yield
        finally:
            over.set()
        running.result(PATIENCE)


def test_staging_and_cutting_at_the_same_time_never_fail_each_other(driver: Driver) -> None:
    volume = driver.volume(size=SIZE)
    driver.pool.attach(driver.id_of(volume))

    def cut(number: int) -> None:
        snapshot = driver.provisioner.cut(SnapshotRequest(f"s{number}", volume))
        assert snapshot.consistency is Consistency.FROZEN
        driver.provisioner.remove_snapshot(driver.provisioner.handles.of_snapshot(snapshot.id))

    with repeated(cut):
        for _ in range(40):
            driver.stage(volume)
            driver.unstage(volume)


def test_a_mount_waits_for_whoever_only_looks_whether_the_device_is_claimed(driver: Driver) -> None:
    volume = driver.volume(size=SIZE)
    loop = loops.LoopDevice(int(driver.pool.attach(driver.id_of(volume)).name.removeprefix("loop")))
    with repeated(lambda _: _looked(loop)):
        for _ in range(40):
            driver.mounter.mount(loop.path, driver.at("m"), "xfs", readonly=False, options=())
            driver.mounter.unmount(driver.at("m"))


def _looked(loop: loops.LoopDevice) -> None:
    loops.is_claimed(loop)


def test_a_mount_that_stays_impossible_says_so(driver: Driver) -> None:
    volume = driver.volume(size=SIZE)
    device = driver.pool.attach(driver.id_of(volume))
    fd = os.open(device, os.O_RDONLY | os.O_EXCL)
    try:
        with pytest.raises(SystemCallFailed, match="busy"):
            driver.mounter.mount(device, driver.at("m"), "xfs", readonly=False, options=())
    finally:
        os.close(fd)


@pytest.mark.parametrize("trim", [False, True])
def test_volumes_go_away_while_they_are_cut_under_write_load(driver: Driver, *, trim: bool) -> None:
    roots = TargetRoots([driver.kubelet])
    driver.node = PoolNodeVolumes(driver.pool, driver.mounter, roots, driver.records, driver.locks, trim=trim)
    for turn in range(2):
        volume = driver.volume(f"v{turn}", size=SIZE)
        driver.stage(volume)
        driver.publish(volume)
        dirty = driver.at("pod/mount") / "dirty"
        with dirty.open("wb") as file:
            file.write(os.urandom(MIB) * 120)
        begun = threading.Event()

        def linger(begun: threading.Event = begun) -> None:
            begun.set()
            time.sleep(0.8)  # longer than an unmount has patience

        with ThreadPoolExecutor(1) as cutter:
            with visiting("loopfile.cut.frozen", linger):
                cutting = cutter.submit(driver.provisioner.cut, SnapshotRequest(f"s{turn}", volume))
                assert begun.wait(PATIENCE)
                driver.unpublish(volume)
                driver.unstage(volume)
            assert cutting.result(PATIENCE).consistency is Consistency.FROZEN


def test_a_raw_volume_that_a_pod_has_is_not_deleted_and_nobody_gets_its_device(driver: Driver) -> None:
    one, two = driver.volume("one", None, 16 * MIB), driver.volume("two", None, 16 * MIB)
    driver.stage(one, access=RAW)
    driver.publish(one, access=RAW)
    with pytest.raises(StillInUse, match=r"unstage|unpublish"):
        driver.provisioner.remove_volume(one)
    driver.stage(two, "s2", RAW)
    device = driver.pool.attached(driver.id_of(two))
    assert device is not None
    write_durably(device, b"of two")
    assert driver.at("pod/mount").read_bytes()[:6] == bytes(6)
    driver.unpublish(one)
    driver.unstage(one)
    driver.provisioner.remove_volume(one)


def test_lost_records_take_no_device_from_below_a_pod(driver: Driver) -> None:
    volume = driver.volume("raw", None, 16 * MIB)
    driver.stage(volume, access=SHARED_RAW)
    driver.publish(volume, access=SHARED_RAW)
    driver.records = driver.records.with_name("other")
    driver.restart()
    provisioner = PoolProvisioner(driver.pool, driver.mounter, driver.locks, driver.node)
    with pytest.raises(StillInUse, match=str(driver.at("pod/mount"))):
        driver.unstage(volume)
    with pytest.raises(StillInUse, match=str(driver.at("pod/mount"))):
        provisioner.remove_volume(volume)
    other = driver.volume("other", None, 16 * MIB)
    with pytest.raises(StillInUse, match="something else"):
        driver.unpublish(other)
    driver.unpublish(volume)
    assert not driver.at("pod/mount").exists()
    driver.unstage(volume)
    assert driver.pool.attached(driver.id_of(volume)) is None


def test_a_stage_repeated_in_vain_takes_nothing_from_the_pod_that_has_it(driver: Driver) -> None:
    volume = driver.volume("raw", None, 16 * MIB)
    driver.stage(volume, access=RAW)
    driver.publish(volume, access=RAW)

    def fail() -> None:
        raise SystemCallFailed("made to fail")

    with visiting("node.stage.recorded", fail), pytest.raises(SystemCallFailed):
        driver.stage(volume, access=RAW)
    assert driver.mounter.shows(driver.at("pod/mount"), driver.pool.attach(driver.id_of(volume)))
    assert driver.recorded() == 2
    driver.unpublish(volume)
    driver.unstage(volume)


def test_a_stage_that_fails_when_its_caller_is_gone_leaves_no_device(driver: Driver) -> None:
    volume = driver.volume(size=SIZE)
    there = [True]

    def fail() -> None:
        there.clear()
        raise SystemCallFailed("made to fail")

    gone = Deadline(None, lambda: bool(there))
    with deadline(gone), visiting("node.stage.recorded", fail), pytest.raises(SystemCallFailed):
        driver.stage(volume, access=MOUNTED)
    assert (driver.recorded(), driver.pool.attached(driver.id_of(volume))) == (0, None)


def test_the_records_of_mounts_in_another_namespace_are_kept(driver: Driver, tmp_path: Path) -> None:
    volume = driver.volume(size=SIZE)
    driver.stage(volume)
    driver.publish(volume)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    device = driver.pool.attached(driver.id_of(volume))
    assert device is not None
    mount(device, elsewhere, "xfs", 0, "nouuid")
    try:
        # As a driver in a namespace of its own sees it: nothing at the paths, and the device is claimed.
        for word in ("pod/mount", "staging"):
            unmount(driver.at(word))
        driver.restart()
        assert driver.recorded() == 2
        with pytest.raises(StillInUse):
            driver.unstage(volume)
    finally:
        with suppress(OSError):
            unmount(elsewhere)
    driver.restart()
    assert driver.recorded() == 0
