"""The lvm-direct pool in thin pools that LVM itself made: whose they are, and what LVM does to them meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest, PoolTaken, Unavailable
from rokcsi.model.ids import VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume
from rokcsi.pools.lvm_direct import LvmDirectPool
from rokcsi.pools.lvm_direct.founding import OURS
from rokcsi.pools.lvm_direct.lvm_side import LvmCommands
from rokcsi.system.lvm import mapped_name
from tests.fakes.lvm_direct_pools import LvmDirectPools
from tests.fakes.volume_groups import VolumeGroup, volume_group

pytestmark = pytest.mark.lab

MIB = 1 << 20
TEXT = os.urandom(MIB)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VolumeGroup]:
    with volume_group(tmp_path_factory.mktemp("group")) as group:
        yield group


@pytest.fixture
def thin_pool(group: VolumeGroup) -> Iterator[str]:
    group.thin_pool("thin", 256, "--errorwhenfull", "y")
    yield "thin"
    group.thin_check("thin")
    group.remove("thin")


@contextmanager
def serving(group: VolumeGroup, thin_pool: str = "thin") -> Iterator[LvmDirectPool]:
    pools = LvmDirectPools(group.name, thin_pool)
    pools.lvm = LvmCommands(group.lvm)
    pool = pools.open()
    try:
        yield pool
    finally:
        pools.kill()


def write(pool: LvmDirectPool, name: str, size: int = 2 * MIB) -> VolumeId:
    volume = pool.create_volume(NewVolume(name, Bytes(size), None)).id
    with pool.attach(volume).open("r+b") as device:
        device.write(TEXT)
        device.flush()
        os.fsync(device.fileno())
    return volume


def reads(pool: LvmDirectPool, volume: VolumeId) -> bytes:
    with pool.attach(volume).open("rb") as device:
        return device.read(len(TEXT))


def test_volumes_and_their_contents_outlive_the_deactivation_of_the_pool(group: VolumeGroup, thin_pool: str) -> None:
    with serving(group) as pool:
        volume = write(pool, "one")
        pool.take_snapshots([NewSnapshot("cut", volume)])
        identity = pool.id
    group.let_go()
    group.run("lvchange", "--activate", "n", f"{group.name}/thin")
    with serving(group) as pool:
        assert pool.id == identity
        assert reads(pool, volume) == TEXT
        assert [snapshot.name for snapshot in pool.snapshots()] == ["cut"]


def test_lvm_shows_the_pool_and_refuses_to_put_volumes_into_it(group: VolumeGroup, thin_pool: str) -> None:
    with serving(group) as pool:
        volume = write(pool, "one")
        with pytest.raises(AssertionError, match=f"transaction id {OURS}"):
            group.run("lvcreate", "--virtualsize", "4m", "--thinpool", "thin", "--name", "stranger", group.name)
        [shown] = [it for it in group.lvm.report().volumes if it.name == "thin"]
        assert (shown.kind, shown.active) == ("thin-pool", True)
        assert reads(pool, volume) == TEXT
        assert pool.create_volume(NewVolume("two", Bytes(MIB), None)).name == "two"


def test_a_pool_with_volumes_of_lvms_own_is_refused(group: VolumeGroup, thin_pool: str) -> None:
    group.run("lvcreate", "--virtualsize", "4m", "--thinpool", "thin", "--name", "theirs", group.name)
    for activation in ("y", "n"):
        group.run("lvchange", "--activate", activation, f"{group.name}/theirs")
        with pytest.raises(InvalidRequest, match=r"lvm|not ours"), serving(group):
            pass
    group.run("lvremove", "--yes", f"{group.name}/theirs")
    with pytest.raises(InvalidRequest, match=r"transaction|LVM keeps"), serving(group):
        pass


def test_a_pool_with_thin_devices_of_somebody_elses_is_refused(group: VolumeGroup, thin_pool: str) -> None:
    name = mapped_name(group.name, thin_pool)
    group.mapper.message(name, "create_thin 7")
    with pytest.raises(InvalidRequest, match="not ours"), serving(group):
        pass
    group.mapper.message(name, "delete 7")
    group.mapper.message(name, "set_transaction_id 0 9")
    with pytest.raises(InvalidRequest, match="transaction 9"), serving(group):
        pass
    group.mapper.message(name, "set_transaction_id 9 0")
    with serving(group) as pool:
        assert pool.volumes() == []


def test_a_pool_that_does_not_zero_new_blocks_is_refused(group: VolumeGroup, thin_pool: str) -> None:
    group.run("lvchange", "--zero", "n", f"{group.name}/thin")
    with pytest.raises(InvalidRequest, match="--zero y"), serving(group):
        pass


def test_a_suspended_pool_is_said_to_be_suspended(group: VolumeGroup, thin_pool: str) -> None:
    name = mapped_name(group.name, thin_pool)
    group.mapper.suspend(name)
    try:
        with pytest.raises(Unavailable, match="suspended"), serving(group):
            pass
    finally:
        group.mapper.resume(name)


def test_a_second_driver_is_refused_and_told_who_the_first_is(group: VolumeGroup, thin_pool: str) -> None:
    with serving(group) as pool:
        with pytest.raises(PoolTaken, match=f"process {os.getpid()}"), serving(group):
            pass
        assert pool.create_volume(NewVolume("still", Bytes(MIB), None)).name == "still"


def test_a_pool_that_lvm_makes_larger_has_more_room_at_once(group: VolumeGroup, thin_pool: str) -> None:
    with serving(group) as pool:
        volume = write(pool, "one")
        before = pool.capacity()
        group.run("lvextend", "--size", "+64m", f"{group.name}/thin")
        group.run("lvextend", "--poolmetadatasize", "+8m", f"{group.name}/thin")
        after = pool.capacity()
        assert after.total == before.total + 64 * MIB
        assert (after.metadata_used or 0) < (before.metadata_used or 0)
        assert reads(pool, volume) == TEXT
        assert pool.create_volume(NewVolume("two", Bytes(MIB), None)).name == "two"


def test_a_full_pool_keeps_what_was_synced_and_goes_on_when_it_has_room_again(
    group: VolumeGroup, thin_pool: str
) -> None:
    with serving(group) as pool:
        volume = write(pool, "one", 512 * MIB)
        pool.take_snapshots([NewSnapshot("cut", volume)])
        with pytest.raises(OSError, match=r"No space|Input/output"):
            _fill(pool.attach(volume))
        assert reads(pool, volume) == TEXT
        pool.delete_snapshots([pool.snapshots()[0].id])
        pool.label_volume(volume, {"still": "described"})
        group.run("lvextend", "--size", "+64m", f"{group.name}/thin")
        assert write(pool, "two") == VolumeId.of_name("two")
        assert reads(pool, volume) == TEXT


def _fill(device: Path) -> None:
    with device.open("r+b", buffering=0) as opened:
        opened.seek(len(TEXT))
        while True:
            opened.write(b"x" * MIB)
            os.fsync(opened.fileno())
