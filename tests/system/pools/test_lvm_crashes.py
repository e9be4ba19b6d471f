"""LVM killed at the system calls that matter, and drivers killed with it: what opening the pool makes of that."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from rokcsi.model.errors import Damaged, DidNotEnd
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.lvm import LvmPool
from rokcsi.pools.lvm.names import name_of
from rokcsi.pools.lvm.records import Batch, snapshot_tags, volume_tags
from rokcsi.system import failpoints
from rokcsi.system.dm_ioctl import Verb
from rokcsi.system.watchdog import LentDevice, Watchdog
from tests.fakes.killed_command import killed_at
from tests.fakes.lvm_pools import LvmPools, lvm_pools
from tests.fakes.pool_records import MIB, new_clone, new_volume
from tests.fakes.writer import Writer

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture
def pools() -> Iterator[LvmPools]:
    with lvm_pools() as pools:
        yield pools


def written(pool: LvmPool, name: str) -> Volume:
    """Make a volume with contents of its own, attached."""
    volume = pool.create_volume(new_volume(name))
    pool.attach(volume.id).write_bytes(name.encode() * 1000)
    return volume


def contents(pool: LvmPool, snapshot: Snapshot) -> bytes:
    """Give a snapshot's bytes, through a clone."""
    clone = pool.clone_snapshot(snapshot.id, new_clone("to look at", snapshot))
    found = pool.attach(clone.id).read_bytes()
    pool.detach(clone.id)
    pool.delete_volume(clone.id)
    return found


def size_of_device(pool: LvmPool, volume: Volume) -> int:
    """Give how many bytes the block device of an attached volume has."""
    attached = pool.attached(volume.id)
    assert attached is not None
    with attached.open("rb") as opened:
        return opened.seek(0, os.SEEK_END)


def grow_command(pools: LvmPools, volume: Volume, mebibytes: int) -> list[str]:
    """Give the command that makes a volume larger."""
    return ["lvm", "lvextend", "--size", f"{mebibytes * MIB}b", pools.path(name_of(volume.id))]


def snapshot_command(pools: LvmPools, snapshot: Snapshot, *, batch: Batch | None = None) -> list[str]:
    """Give the command that takes a snapshot, as the driver would."""
    tags = [f"--addtag={tag}" for tag in snapshot_tags(snapshot, batch)]
    origin = pools.path(name_of(snapshot.volume))
    return ["lvm", "lvcreate", "-an", "-ky", "--name", name_of(snapshot.id), *tags, "--snapshot", origin]


def wished(pool: LvmPool, name: str, volume: Volume) -> Snapshot:
    """Give what a snapshot of this name would be, without leaving it."""
    [snapshot] = pool.take_snapshots([NewSnapshot(name, volume.id)])
    pool.delete_snapshots([snapshot.id])
    return snapshot


@pytest.mark.parametrize(
    ("place", "visit", "whole"),
    [
        pytest.param(Verb.SUSPEND, 1, False, id="suspension"),
        pytest.param(Verb.MESSAGE, 1, False, id="message"),
        pytest.param(Verb.MESSAGE, 2, False, id="transaction"),
        pytest.param(Verb.SUSPEND, 2, True, id="resumption"),
    ],
)
def test_a_snapshot_whose_command_was_killed_is_there_whole_or_was_never_taken(
    pools: LvmPools, place: Verb, visit: int, *, whole: bool
) -> None:
    pool = pools.open()
    volume = written(pool, "a")
    snapshot = wished(pool, "s", volume)
    killed_at(snapshot_command(pools, snapshot), place, visit)
    pool.close()

    pool = pools.open()
    attached = pool.attached(volume.id)
    assert attached is not None
    attached.write_bytes(b"the writers go on " * 100)
    assert [it.id for it in pool.snapshots()] == ([snapshot.id] if whole else [])
    if whole:
        assert contents(pool, snapshot).startswith(b"aaaa")
    else:
        [again] = pool.take_snapshots([NewSnapshot("s", volume.id)])
        assert contents(pool, again).startswith(b"the writers")
    assert [leftover for leftover in pool.leftovers() if leftover.kind != "device"] == []
    pool.close()


@pytest.mark.parametrize("message", [1, 2])
def test_a_volume_whose_command_was_killed_was_never_made(pools: LvmPools, message: int) -> None:
    pool = pools.open()
    volume = pool.create_volume(new_volume("a"))
    pool.delete_volume(volume.id)
    tags = [f"--addtag={tag}" for tag in volume_tags(volume)]
    into = ["--type", "thin", "--virtualsize", f"{MIB}b", "--thinpool", pools.name, pools.group.name]
    command = ["lvm", "lvcreate", "-an", "-ky", "--name", name_of(volume.id), *tags, *into]
    killed_at(command, Verb.MESSAGE, message)
    pool.close()
    pool = pools.open()
    assert (list(pool.volumes()), pools.shown()) == ([], {})
    assert pool.create_volume(new_volume("a")).name == "a"
    pool.close()


@pytest.mark.parametrize("message", [1, 2])
def test_a_deletion_that_was_killed_is_carried_out(pools: LvmPools, message: int) -> None:
    pool = pools.open()
    ids = [pool.create_volume(new_volume(name)).id for name in "ab"]
    killed_at(["lvm", "lvremove", "--yes", pools.path(name_of(ids[0]))], Verb.MESSAGE, message)
    pool.close()
    pool = pools.open()
    assert [volume.id for volume in pool.volumes()] == [ids[1]]
    pool.create_volume(new_volume("a"))
    status = pool._opened.access.kernel_pool().status()
    report = pool._opened.access.lvm.report().volume(pools.name)
    assert report is not None
    assert report.transaction == status.transaction
    pool.close()


def test_a_running_driver_mends_what_its_killed_command_has_left(pools: LvmPools) -> None:
    pool = pools.open()
    volume = written(pool, "a")
    snapshot = wished(pool, "s", volume)

    def killed(*_: object) -> None:
        killed_at(snapshot_command(pools, snapshot), Verb.MESSAGE, 2)
        raise Damaged("the command was killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pool._opened.access.lvm), "snapshot", killed)
        with pytest.raises(Damaged, match="was killed"):
            pool.take_snapshots([NewSnapshot("s", volume.id)])
    attached = pool.attached(volume.id)
    assert attached is not None
    attached.write_bytes(b"the writers go on")
    assert f"s-{snapshot.id}" not in pools.shown()
    [again] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    assert contents(pool, again).startswith(b"the writers go on")
    pool.close()


def test_an_lvm_command_of_somebody_else_that_was_killed_is_left_to_them(pools: LvmPools) -> None:
    pool = pools.open()
    pool.create_volume(new_volume("a"))
    origin = pools.path(name_of(VolumeId.of_name("a")))
    killed_at(["lvm", "lvcreate", "-an", "--snapshot", origin, "--name", "theirs"], Verb.MESSAGE)
    pool.close()
    with pytest.raises(Damaged, match=r"theirs .* was killed half way"):
        pools.open()
    pools.group.run("lvremove", "--yes", pools.path("theirs"))
    pool = pools.open()
    assert len(pool.volumes()) == 1
    pool.close()


def test_a_device_that_was_left_suspended_is_resumed(pools: LvmPools) -> None:
    pool = pools.open()
    volume = written(pool, "a")
    pool._opened.access.mapper.suspend(pool._opened.access.mapped(volume.id))
    pool.close()
    pool = pools.open()
    attached = pool.attached(volume.id)
    assert attached is not None
    attached.write_bytes(b"the writers go on")
    pool.close()


# LVM suspends the volume and the pool's three devices, writes down that the volume is larger, and resumes all four.
@pytest.mark.parametrize(
    ("place", "visit", "mebibytes"),
    [(Verb.LOAD, 1, 1), (Verb.SUSPEND, 4, 1), (Verb.SUSPEND, 5, 2)],
    ids=["load", "suspensions", "resumptions"],
)
def test_a_growth_that_was_killed_is_there_or_never_was_and_nobody_waits_for_ever(
    pools: LvmPools, place: Verb, visit: int, mebibytes: int
) -> None:
    pool = pools.open()
    volume = written(pool, "a")
    killed_at(grow_command(pools, volume, 2), place, visit)
    pool.close()
    pool = pools.open()
    assert pool.volume(volume.id).size == mebibytes * MIB
    attached = pool.attached(volume.id)
    assert attached is not None
    attached.write_bytes(b"the writers go on")
    pool.grow_volume(volume.id, Bytes(3 * MIB))
    assert size_of_device(pool, volume) == 3 * MIB


def test_a_device_that_is_smaller_than_its_volume_is_made_as_large(pools: LvmPools) -> None:
    pool = pools.open()
    volume = written(pool, "a")
    mapper, device = pool._opened.access.mapper, pool._opened.access.mapped(volume.id)
    killed_at(grow_command(pools, volume, 2), Verb.SUSPEND, 8)
    mapper.clear(device)
    mapper.resume(device)
    assert size_of_device(pool, volume) == MIB
    pool.close()
    pool = pools.open()
    assert pool.volume(volume.id).size == size_of_device(pool, volume) == 2 * MIB


def test_what_a_command_that_did_not_end_has_suspended_is_resumed_at_once(pools: LvmPools) -> None:
    pool = pools.open()
    volume = written(pool, "a")
    attached = pool.attached(volume.id)
    assert attached is not None

    def never_ends(*_: object) -> None:
        killed_at(grow_command(pools, volume, 2), Verb.SUSPEND, 4)
        raise DidNotEnd("lvm lvextend did not end")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pool._opened.access.lvm), "extend", never_ends)
        with pytest.raises(DidNotEnd):
            pool.grow_volume(volume.id, Bytes(2 * MIB))
    attached.write_bytes(b"the writers go on")


def test_an_unfinished_clone_and_half_a_group_are_removed_at_the_start(pools: LvmPools) -> None:
    pool = pools.open()
    volume = written(pool, "a")
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    lvm = pool._opened.access.lvm
    larger = new_volume("larger", 4)
    with failpoints.failing("lvm.clone.made", KeyboardInterrupt()), pytest.MonkeyPatch.context() as patch:
        patch.setattr("rokcsi.pools.lvm.mending.Mending.undo", lambda *_: None)  # as if the driver were dead by then
        with pytest.raises(KeyboardInterrupt):
            pool.clone_snapshot(snapshot.id, larger)
        with failpoints.failing("lvm.cut.copied", KeyboardInterrupt(), visit=2), pytest.raises(KeyboardInterrupt):
            pool.take_snapshots([NewSnapshot("t", volume.id), NewSnapshot("u", volume.id)])
    left = {name_of(larger.id), *(f"s-{SnapshotId.of_name(name)}" for name in "tu")}
    assert left <= set(pools.shown())
    assert lvm.report().volume(name_of(larger.id)) is not None
    assert {leftover.where.name for leftover in pool.leftovers() if leftover.clearable} >= left
    pool.close()
    pool = pools.open()
    assert set(pools.shown()) == {name_of(volume.id), name_of(snapshot.id)}
    assert contents(pool, snapshot).startswith(b"aaaa")
    pool.close()


def test_a_writer_whose_snapshot_dies_with_the_driver_goes_on_within_three_seconds(pools: LvmPools) -> None:
    pool = pools.open()
    volume = pool.create_volume(new_volume("a"))
    device, name = pool.attach(volume.id), pool._opened.access.mapped(volume.id)
    dies = (
        "import sys, os; from rokcsi.system.watchdog import LentDevice, Watchdog;"
        "from rokcsi.system.device_mapper import DeviceMapper;"
        "watchdog = Watchdog(); watchdog.arm([LentDevice(sys.argv[1])], 600.0);"
        "DeviceMapper().suspend(sys.argv[1]); print('suspended', flush=True); os.kill(os.getpid(), 9)"
    )
    with Writer.at_work([device]) as writer:
        driver = subprocess.Popen([sys.executable, "-c", dies, name], stdout=subprocess.PIPE, text=True)
        assert driver.stdout is not None
        assert driver.stdout.readline() == "suspended\n"
        died = time.monotonic()
        assert driver.wait(10) == -9
        assert not writer.goes_on_within(0.5)
        assert writer.goes_on_within(max(0.1, died + 3.5 - time.monotonic()))
    pool.close()


def test_the_watchdog_leaves_a_device_alone_that_is_lent_and_resumed_in_time(pools: LvmPools) -> None:
    pool = pools.open()
    volume = written(pool, "a")
    watchdog = Watchdog()
    id_ = watchdog.arm([LentDevice(pool._opened.access.mapped(volume.id))], 600.0)
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    watchdog.disarm(id_)
    watchdog.close()
    assert contents(pool, snapshot).startswith(b"aaaa")
    pool.close()
