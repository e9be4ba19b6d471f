from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.pool import Footprint
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.mounting.linux import LinuxMounter
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system.beneath import TargetRoots
from tests.fakes.loop_disks import run
from tests.fakes.loop_file_pools import LoopFilePools, loop_file_pools
from tests.fakes.node_house import GIB, MIB, NodeHouse

pytestmark = pytest.mark.system
FILESYSTEMS = ("xfs", "ext4")


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[LoopFilePools]:
    with loop_file_pools(tmp_path) as made:
        yield made


@pytest.fixture
def pool(pools: LoopFilePools) -> LoopFilePool:
    return pools.open()


@pytest.fixture
def house(tmp_path: Path, pools: LoopFilePools, pool: LoopFilePool) -> NodeHouse:
    (tmp_path / "kubelet").mkdir()
    mounter = LinuxMounter(TargetRoots([tmp_path / "kubelet"]), pools.table)
    return NodeHouse(pool, mounter, tmp_path / "kubelet", tmp_path / "records")


def filled(house: NodeHouse, filesystem: str, mib: int, size: int = GIB, each: int = MIB) -> str:
    """Make a volume, staged, with files of `each` bytes on it; everything is on the disk."""
    volume = house.volume("v", filesystem, size)
    house.stage(volume)
    for number in range(mib * MIB // each):
        (house.at("staging") / f"file{number:05d}").write_bytes(os.urandom(each))
    run("sync", "-f", house.at("staging"))
    return volume


def footprint(house: NodeHouse, volume: str) -> Footprint:
    return house.pool.footprint(house.id_of(volume))


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_what_was_deleted_in_a_volume_is_free_in_the_pool_when_it_is_unstaged(
    house: NodeHouse, filesystem: str
) -> None:
    volume = filled(house, filesystem, 96)
    before, free = footprint(house, volume).allocated, house.pool.capacity().used
    assert before > 96 * MIB
    for file in sorted(house.at("staging").glob("file*"))[:80]:
        file.unlink()
    kept = (house.at("staging") / "file00090").read_bytes()
    house.unstage(volume)
    assert footprint(house, volume).allocated < before - 78 * MIB
    assert house.pool.capacity().used < free - 78 * MIB
    house.stage(volume)
    assert len(list(house.at("staging").glob("file*"))) == 16
    assert (house.at("staging") / "file00090").read_bytes() == kept


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_snapshot_keeps_what_its_volume_gives_back(house: NodeHouse, filesystem: str) -> None:
    volume = filled(house, filesystem, 32)
    (snapshot,) = house.pool.take_snapshots([NewSnapshot("s", house.id_of(volume))])
    allocated = house.pool.footprint(snapshot.id).allocated
    for file in house.at("staging").glob("file*"):
        file.unlink()
    house.unstage(volume)
    assert footprint(house, volume).allocated < allocated - 30 * MIB
    assert house.pool.footprint(snapshot.id).allocated == allocated


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_volume_in_use_is_trimmed_while_it_is_written_and_cut(house: NodeHouse, filesystem: str) -> None:
    volume = filled(house, filesystem, 96)
    for file in sorted(house.at("staging").glob("file*"))[:80]:
        file.unlink()
    run("sync", "-f", house.at("staging"))
    before, stop = footprint(house, volume).allocated, threading.Event()

    def write() -> None:
        while not stop.is_set():
            (house.at("staging") / "busy").write_bytes(os.urandom(MIB // 4))

    def cut() -> None:
        for number in range(5):
            house.pool.take_snapshots([NewSnapshot(f"s{number}", house.id_of(volume))])

    threads = [threading.Thread(target=write), threading.Thread(target=cut)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        house.node.trim_staged(lambda: True)
    threads[1].join(60)
    stop.set()
    threads[0].join(60)
    # What the writer freed since ext4's last commit is not free on the disk yet.
    run("sync", "-f", house.at("staging"))
    house.node.trim_staged(lambda: True)
    assert footprint(house, volume).allocated < before - 70 * MIB
    house.unstage(volume)
    house.mounter.check(house.pool.attach(house.id_of(volume)), filesystem)


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_small_gaps_are_left_so_that_the_file_is_not_cut_to_shreds(house: NodeHouse, filesystem: str) -> None:
    volume = filled(house, filesystem, 64, each=32 << 10)
    before = footprint(house, volume)
    for file in sorted(house.at("staging").glob("file*"))[::2]:
        file.unlink()
    house.unstage(volume)
    after = footprint(house, volume)
    assert after.extents < before.extents + 64


def test_free_pieces_of_equal_size_all_come_back(house: NodeHouse) -> None:
    volume = filled(house, "xfs", 600, size=2 * GIB, each=MIB)
    before = footprint(house, volume).allocated
    for file in sorted(house.at("staging").glob("file*"))[::2]:
        file.unlink()
    run("sync", "-f", house.at("staging"))
    house.unstage(volume)
    assert footprint(house, volume).allocated < before - 250 * MIB
