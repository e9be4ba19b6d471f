"""The lvm-direct pool when the disk below fails, when it is full, and when somebody has been at its records."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.errors import Damaged, PoolFull, StillInUse, SystemCallFailed, VolumeDamaged
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume
from rokcsi.pools.lvm_direct import LvmDirectPool
from rokcsi.pools.lvm_direct.founding import devices_in
from rokcsi.system.dm_ioctl import Target
from rokcsi.system.failpoints import failing
from tests.fakes.loop_disks import run
from tests.fakes.lvm_direct_pools import LvmDirectPools, as_served
from tests.fakes.thin_pools import ThinPool, sparse_disk

pytestmark = pytest.mark.lab

MIB = 1 << 20
SIZE = Bytes(2 * MIB)
TEXT = os.urandom(MIB)


class Ground:
    """A thin pool on a disk, and the drivers that serve it."""

    def __init__(self, folder: Path, disk: Path) -> None:
        self.thin = ThinPool(folder, 64, 4)
        self.disk = disk
        self.thin.activate(disk)
        self.pools = LvmDirectPools(self.thin.group, self.thin.thin_pool)

    def again(self) -> LvmDirectPool:
        """Take everything off the disk, check the metadata, and start over."""
        self.pools.kill()
        self.thin.check(self.disk)
        self.thin.activate(self.disk)
        return self.pools.open()

    def break_metadata(self) -> list[Target]:
        """Let every access to the pool's metadata fail; give the table to mend it."""
        name = f"{self.thin.name}_tmeta"
        table = self.thin.mapper.table(name)
        self.thin.mapper.exchange(name, [Target(0, table[0].length, "error", "")])
        return table

    def mend_metadata(self, table: list[Target]) -> None:
        """Take the fault away, and the mark that the kernel has set because of it."""
        self.thin.mapper.exchange(f"{self.thin.name}_tmeta", table)
        self.pools.kill()
        self.thin.deactivate()
        metadata = self.thin.mapper.add(f"{self.thin.name}_tmeta", "", table)
        run("thin_check", "--clear-needs-check-flag", metadata.node)
        self.thin.mapper.remove(metadata.name)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with sparse_disk(tmp_path / "disk", 68 * MIB) as disk:
        ground = Ground(tmp_path, disk)
        yield ground
        ground.pools.kill()
        ground.thin.check(disk)
        ground.thin.close()


def write(pool: LvmDirectPool, name: str, size: int = SIZE) -> VolumeId:
    volume = pool.create_volume(NewVolume(name, Bytes(size), None)).id
    with pool.attach(volume).open("r+b") as device:
        device.write(TEXT)
        device.flush()
        os.fsync(device.fileno())
    return volume


def reads(pool: LvmDirectPool, volume: VolumeId) -> bytes:
    with pool.attach(volume).open("rb") as device:
        return device.read(len(TEXT))


def test_a_pool_whose_metadata_fails_says_so_and_has_everything_when_it_is_mended(ground: Ground) -> None:
    pool = ground.pools.open()
    volume = write(pool, "one")
    [snapshot] = pool.take_snapshots([NewSnapshot("cut", volume)])
    table = ground.break_metadata()
    for change in (
        lambda: pool.create_volume(NewVolume("two", SIZE, None)),
        lambda: pool.take_snapshots([NewSnapshot("another", volume)]),
        lambda: pool.clone_snapshot(snapshot.id, NewVolume("three", SIZE, None)),
    ):
        with pytest.raises((Damaged, PoolFull)):
            change()
    assert names(pool) == ["one", "cut"]
    with pytest.raises(Damaged, match=r"needs a check|takes no changes|failed"):
        ground.pools.reopen(pool)
    ground.mend_metadata(table)
    pool = ground.again()
    assert names(pool) == ["one", "cut"]
    assert reads(pool, volume) == TEXT
    clone = pool.clone_snapshot(snapshot.id, NewVolume("three", SIZE, None))
    assert reads(pool, clone.id) == TEXT
    assert len(devices_in(pool._pool)) == 4


def test_a_full_pool_refuses_new_work_keeps_what_it_has_and_deletes(ground: Ground) -> None:
    pool = ground.pools.open()
    volume = write(pool, "one", 128 * MIB)
    pool.take_snapshots([NewSnapshot("cut", volume)])
    with pytest.raises(OSError, match=r"No space|Input/output"):
        _fill(pool.attach(volume))
    assert pool.capacity().available < MIB
    with pytest.raises(PoolFull):
        as_served(pool).create_volume(NewVolume("two", SIZE, None))
    assert reads(pool, volume) == TEXT
    pool.label_volume(volume, {"still": "described"})
    pool.delete_snapshots([SnapshotId.of_name("cut")])
    pool = ground.again()
    assert reads(pool, volume) == TEXT
    assert dict(pool.volume(volume).labels) == {"still": "described"}
    pool.detach(volume)
    pool.delete_volume(volume)
    assert pool.capacity().used <= 4 * MIB
    assert write(pool, "two") == VolumeId.of_name("two")


def test_a_pool_without_metadata_left_says_so_and_loses_nothing(ground: Ground) -> None:
    pool = ground.pools.open()
    volume = write(pool, "one")
    made: list[SnapshotId] = []
    with pytest.raises((PoolFull, Damaged, OSError), match=r"metadatasize|takes no changes|failed|Input/output"):
        _cut_without_end(pool, volume, made)
    assert [it.id for it in pool.snapshots()] == sorted(made)
    assert len(made) > 10
    assert reads(pool, volume) == TEXT
    with pytest.raises((PoolFull, Damaged)):
        pool.create_volume(NewVolume("two", SIZE, None))


def test_a_thin_device_without_a_record_is_removed_only_if_a_crash_can_have_left_it(ground: Ground) -> None:
    pool = ground.pools.open()
    volume = write(pool, "one")
    [leased] = pool._ledger.take_devices(1)
    pool._pool.create_thin(leased)
    pool._pool.create_snap(1_000_000, pool._ledger.device_of(volume))
    pool = ground.pools.reopen(pool)
    assert {it.id for it in devices_in(pool._pool)} == {0, pool._ledger.device_of(volume), 1_000_000}
    [stranger] = [it for it in pool.leftovers() if it.kind == "thin device"]
    assert not stranger.clearable
    with pytest.raises(StillInUse, match="no record"):
        pool.clear(stranger)
    pool._pool.delete(1_000_000)


def test_a_volume_whose_thin_device_is_gone_is_damaged_and_can_be_deleted(ground: Ground) -> None:
    pool = ground.pools.open()
    lost, kept = write(pool, "lost"), write(pool, "kept")
    pool.detach(lost)
    pool._pool.delete(pool._ledger.device_of(lost))
    pool = ground.pools.reopen(pool)
    with pytest.raises(VolumeDamaged, match="not in the thin pool"):
        pool.attach(lost)
    assert [it.kind for it in pool.leftovers() if "damaged" in it.kind] == ["damaged volume"]
    pool.delete_volume(lost)
    assert [volume.id for volume in pool.volumes()] == [kept]
    assert reads(pool, kept) == TEXT


def test_a_journal_with_a_lost_block_keeps_every_thin_device(ground: Ground) -> None:
    pool = ground.pools.open()
    volumes = [pool.create_volume(NewVolume(f"v{number}", SIZE, None)).id for number in range(5)]
    devices = {it.id for it in devices_in(pool._pool)}
    journal = pool._ledger._journal
    lane = 1 << 20 if journal._head.lane == 0 else (1 << 20) + (1 << 39)
    pool._records.write(lane + 4096 * (journal._position - 4), bytes(4096))
    pool = ground.pools.reopen(pool)
    assert {it.id for it in devices_in(pool._pool)} == devices
    assert len(pool.volumes()) == len(volumes) - 1
    assert not pool._ledger.complete


def test_a_flush_that_fails_leaves_nothing_behind(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ground.pools.open()
    volume = write(pool, "one")
    failures = iter([True, False, False, False])

    def flush(device: object) -> None:
        if next(failures, False):
            raise OSError(5, "as the test wants it")
        os.fdatasync(pool._records._fd)

    monkeypatch.setattr(type(pool._records), "flush", flush)
    with pytest.raises(SystemCallFailed, match="as the test"):
        pool.take_snapshots([NewSnapshot("cut", volume)])
    monkeypatch.undo()
    pool = ground.pools.reopen(pool)
    assert pool.snapshots() == []
    assert {it.id for it in devices_in(pool._pool)} == {0, pool._ledger.device_of(volume)}
    assert pool.take_snapshots([NewSnapshot("cut", volume)])


def test_a_window_that_breaks_leaves_no_snapshot_and_no_suspended_writer(ground: Ground) -> None:
    pool = ground.pools.open()
    volume = write(pool, "one")
    with failing("lvm-direct.cut.suspended", Damaged("as the test wants it")), pytest.raises(Damaged):
        pool.take_snapshots([NewSnapshot("cut", volume)])
    assert pool.snapshots() == []
    assert reads(pool, volume) == TEXT
    assert {it.id for it in devices_in(pool._pool)} == {0, pool._ledger.device_of(volume)}


def _cut_without_end(pool: LvmDirectPool, volume: VolumeId, made: list[SnapshotId]) -> None:
    """Cut and overwrite until nothing goes any more; `made` are those that were acknowledged."""
    while True:
        [snapshot] = pool.take_snapshots([NewSnapshot(f"cut {len(made)}", volume)])
        made.append(snapshot.id)
        with pool.attach(volume).open("r+b") as device:
            device.write(TEXT[:4096])
            device.flush()
            os.fsync(device.fileno())


def names(pool: LvmDirectPool) -> list[str]:
    return [volume.name for volume in pool.volumes()] + [snapshot.name for snapshot in pool.snapshots()]


def _fill(device: Path) -> None:
    with device.open("r+b", buffering=0) as opened:
        opened.seek(len(TEXT))
        while True:
            opened.write(b"x" * MIB)
            os.fsync(opened.fileno())
