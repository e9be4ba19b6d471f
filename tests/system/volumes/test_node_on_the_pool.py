from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.errors import StillInUse
from rokcsi.model.ids import Handles
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.snapshot import Consistency, NewSnapshot
from rokcsi.model.volume import NewVolume, VolumeSource
from rokcsi.mounting.linux import LinuxMounter
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system import loops
from rokcsi.system.beneath import TargetRoots
from tests.fakes.loop_file_pools import LoopFilePools
from tests.fakes.node_house import MIB, SHARED, NodeHouse

pytestmark = pytest.mark.system
SIZE = Bytes(320 * MIB)


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[LoopFilePools]:
    made = LoopFilePools(tmp_path)
    yield made
    made.close()


@pytest.fixture
def pool(pools: LoopFilePools) -> LoopFilePool:
    return pools.open()


@pytest.fixture
def house(tmp_path: Path, pools: LoopFilePools, pool: LoopFilePool) -> NodeHouse:
    (tmp_path / "kubelet").mkdir()
    mounter = LinuxMounter(TargetRoots([tmp_path / "kubelet"]), pools.table)
    return NodeHouse(pool, mounter, tmp_path / "kubelet", tmp_path / "records")


def clone_of(house: NodeHouse, volume: str, name: str, size: int = SIZE, filesystem: str = "xfs") -> str:
    """Snapshot a volume as it is, mounted or not, and clone that."""
    (snapshot,) = house.pool.take_snapshots([NewSnapshot(f"for {name}", house.id_of(volume))])
    assert snapshot.consistency is Consistency.FROZEN
    new = NewVolume(name, Bytes(size), filesystem, VolumeSource(snapshot=snapshot.id))
    return Handles(house.pool.id).of_volume(house.pool.clone_snapshot(snapshot.id, new).id)


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_mounted_volume_is_cut_cloned_larger_and_read_by_others(house: NodeHouse, filesystem: str) -> None:
    volume = house.volume("notebook", filesystem, SIZE)
    house.stage(volume)
    house.publish(volume)
    (house.at("pod/mount") / "file").write_text("before")
    clone = clone_of(house, volume, "clone", 2 * SIZE, filesystem)
    (house.at("pod/mount") / "file").write_text("after")
    house.stage(clone, "s2", SHARED)
    house.publish(clone, "reader", SHARED, readonly=True, staging="s2")
    house.publish(clone, "writer", SHARED, staging="s2")
    assert (house.at("reader") / "file").read_text() == "before"
    assert house.node.stats(clone, house.at("writer")).total > 1.6 * SIZE
    (house.at("writer") / "file").write_text("clone")
    assert (house.at("pod/mount") / "file").read_text() == "after"
    house.mounter.check(
        house.pool.attach(house.id_of(clone_of(house, volume, "checked", SIZE, filesystem))), filesystem
    )


def test_what_was_shown_and_taken_away_leaves_nothing(house: NodeHouse) -> None:
    volume = house.volume(size=SIZE)
    house.stage(volume)
    house.publish(volume)
    device = house.pool.attach(house.id_of(volume))
    with pytest.raises(StillInUse):
        house.pool.delete_volume(house.id_of(volume))
    house.unpublish(volume)
    house.unstage(volume)
    assert not (Path("/sys/block") / device.name / "loop").exists()
    house.pool.delete_volume(house.id_of(volume))
    assert house.recorded() == 0


def test_the_next_driver_uses_the_attachment_of_the_first(
    house: NodeHouse, pools: LoopFilePools, pool: LoopFilePool
) -> None:
    volume = house.volume(size=SIZE)
    house.stage(volume)
    house.publish(volume)
    file = next(pools.place.rglob(str(house.id_of(volume))))
    loop = loops.attached_loops()[loops.key_of(file)]
    house.pool = pools.reopen(pool)
    house.restart()
    house.stage(volume)
    house.publish(volume)
    house.pool.grow_volume(house.id_of(volume), Bytes(2 * SIZE))
    assert house.node.expand(volume, house.at("pod/mount"), SizeRange(Bytes(2 * SIZE))) == 2 * SIZE
    assert loops.attached_loops()[loops.key_of(file)] == loop
    house.unpublish(volume)
    house.unstage(volume)


def test_no_process_and_no_mount_table_between_a_clone_and_its_pod(house: NodeHouse, pools: LoopFilePools) -> None:
    volume = house.volume(size=SIZE)
    house.stage(volume)
    clone = clone_of(house, volume, "clone", 2 * SIZE)
    started: list[str] = []
    watching = True

    def watch(event: str, _: object) -> None:
        if watching and event in {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec"}:
            started.append(event)

    sys.addaudithook(watch)
    reads = pools.table.reads
    house.stage(clone, "s2")
    house.publish(clone, "pod2", staging="s2")
    watching = False
    assert (started, pools.table.reads) == ([], reads)
