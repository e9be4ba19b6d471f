"""What was acknowledged is on the disk: the pool's image, copied the moment a call returns, holds it.

The image is copied while the pool is mounted, so the copy has what XFS has sent to its disk
and nothing of what it still keeps in memory: what a power cut would leave. The copy is then
opened as the next driver would open it. (That the disk's own cache is flushed too is proven
where device-mapper can replay a write log.)
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rokcsi.model.errors import GroupNotFound, VolumeNotFound
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import GroupMembership, NewSnapshot
from rokcsi.model.volume import NewVolume
from rokcsi.pools.loopfile import LoopFilePool
from tests.fakes.loop_file_pools import LoopFilePools

pytestmark = pytest.mark.system

SIZE = Bytes(16 << 20)
CONTENT = os.urandom(1 << 20)
Looking = Callable[[LoopFilePool], None]


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[LoopFilePools]:
    made = LoopFilePools(tmp_path / "before")
    made.folder.mkdir()
    yield made
    made.close()


@pytest.fixture
def after_a_power_cut(pools: LoopFilePools, tmp_path: Path) -> Iterator[Callable[[Looking], None]]:
    """Look at the pool as the next driver finds it when the power goes now."""
    copies: list[LoopFilePools] = []

    def look(looking: Looking) -> None:
        copy = LoopFilePools(tmp_path / f"after-{len(copies)}")
        copies.append(copy)
        copy.place.mkdir(parents=True)
        for name in ("pool.json", "pool.xfs"):
            subprocess.run(["cp", "--sparse=always", pools.place / name, copy.place / name], check=True)
        pool = copy.open()
        try:
            looking(pool)
        finally:
            pool.close()

    yield look
    for copy in copies:
        copy.close()


def written(pool: LoopFilePool, name: str, content: bytes = CONTENT) -> VolumeId:
    """Make a raw volume and write into it, durably, as an application does."""
    volume = pool.create_volume(NewVolume(name, SIZE, None)).id
    with pool.attach(volume).open("r+b") as device:
        device.write(content)
        os.fsync(device.fileno())
    return volume


def content_of(pool: LoopFilePool, volume: VolumeId) -> str:
    device = pool.attach(volume)
    try:
        with device.open("rb") as file:
            return hashlib.sha256(file.read(len(CONTENT))).hexdigest()
    finally:
        pool.detach(volume)


def holds_what_was_written(pool: LoopFilePool, volume: VolumeId) -> None:
    assert content_of(pool, volume) == hashlib.sha256(CONTENT).hexdigest()


def test_a_new_volume_outlives_a_power_cut(pools: LoopFilePools, after_a_power_cut: Callable[[Looking], None]) -> None:
    pool = pools.open()
    volume = pool.create_volume(NewVolume("fresh", Bytes(300 << 20), "xfs"))
    after_a_power_cut(lambda found: _same(found.volume(volume.id), volume))


def test_a_clone_and_its_contents_outlive_a_power_cut(
    pools: LoopFilePools, after_a_power_cut: Callable[[Looking], None]
) -> None:
    pool = pools.open()
    source = written(pool, "source")
    pool.take_snapshots([NewSnapshot("cut", source)])
    clone = pool.clone_snapshot(SnapshotId.of_name("cut"), NewVolume("clone", SIZE, None))
    after_a_power_cut(lambda found: holds_what_was_written(found, clone.id))


def test_every_member_of_a_group_outlives_a_power_cut_after_the_one_flush(
    pools: LoopFilePools, after_a_power_cut: Callable[[Looking], None]
) -> None:
    pool = pools.open()
    volumes = [written(pool, f"member-{number}") for number in range(5)]
    for volume in volumes:
        pool.detach(volume)
    group = GroupMembership.of_name("all", len(volumes))
    pool.take_snapshots([NewSnapshot(f"all/{volume}", volume, group) for volume in volumes])

    def all_are_there(found: LoopFilePool) -> None:
        members = found.group(group.id)
        assert len(members) == len(volumes)
        for number, member in enumerate(members):
            clone = found.clone_snapshot(member.id, NewVolume(f"seen-{number}", SIZE, None))
            holds_what_was_written(found, clone.id)

    after_a_power_cut(all_are_there)


def test_a_grown_a_labelled_and_a_deleted_volume_stay_so_after_a_power_cut(
    pools: LoopFilePools, after_a_power_cut: Callable[[Looking], None]
) -> None:
    pool = pools.open()
    grown, labelled, gone = (
        pool.create_volume(NewVolume(name, SIZE, None)).id for name in ("grown", "labelled", "gone")
    )
    pool.grow_volume(grown, Bytes(2 * SIZE))
    after_a_power_cut(lambda found: _same(found.volume(grown).size, Bytes(2 * SIZE)))
    pool.label_volume(labelled, {"said": "so"})
    after_a_power_cut(lambda found: _same(found.volume(labelled).labels["said"], "so"))
    pool.delete_volume(gone)
    after_a_power_cut(lambda found: _missing(found, gone))


def test_deleted_snapshots_stay_deleted_after_a_power_cut(
    pools: LoopFilePools, after_a_power_cut: Callable[[Looking], None]
) -> None:
    pool = pools.open()
    volumes = [written(pool, name) for name in ("one", "two")]
    for volume in volumes:
        pool.detach(volume)
    group = GroupMembership.of_name("both", 2)
    pool.take_snapshots([NewSnapshot(f"both/{volume}", volume, group) for volume in volumes])
    pool.delete_snapshots([member.id for member in pool.group(group.id)])
    after_a_power_cut(lambda found: _no_group(found, group.id))


def test_a_driver_without_its_flush_would_fail_these_tests(
    pools: LoopFilePools, after_a_power_cut: Callable[[Looking], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pools.open()
    with monkeypatch.context() as without:
        without.setattr(os, "fsync", lambda fd: None)
        lost = pool.create_volume(NewVolume("lost", SIZE, None)).id
        after_a_power_cut(lambda found: _missing(found, lost))


def _same(found: object, expected: object) -> None:
    assert found == expected


def _missing(pool: LoopFilePool, volume: VolumeId) -> None:
    with pytest.raises(VolumeNotFound):
        pool.volume(volume)


def _no_group(pool: LoopFilePool, group: GroupId) -> None:
    with pytest.raises(GroupNotFound):
        pool.group(group)
