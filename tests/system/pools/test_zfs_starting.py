"""Opening a pool on ZFS: what crashes and people can have left there, and who may have it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.errors import (
    Damaged,
    NotSupported,
    PoolAway,
    PoolTaken,
    RecordNotFound,
    StillInUse,
    VolumeDamaged,
    VolumeNotFound,
)
from rokcsi.model.ids import VolumeId
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.pools.zfs import ZfsPool
from rokcsi.pools.zfs.records import POOL, SNAPSHOT, VOLUME
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable
from tests.fakes.pool_records import MIB, new_clone, new_volume
from tests.fakes.zfs_pools import ZfsPools, zfs

pytestmark = pytest.mark.lab
FREEZER = Freezer(MountTable())


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[ZfsPools]:
    there = ZfsPools(tmp_path)
    yield there
    there.close()


@pytest.fixture
def pool(pools: ZfsPools) -> Iterator[ZfsPool]:
    opened = pools.open()
    yield opened
    opened.close()


def dataset(pools: ZfsPools, name: str) -> str:
    return f"{pools.dataset}/v-{VolumeId.of_name(name)}"


def write(pool: ZfsPool, id: VolumeId, data: bytes) -> None:
    with pool.attach(id).open("r+b") as device:
        device.write(data)
        os.fsync(device.fileno())


@pytest.mark.parametrize("kind", ["empty", "clone", "larger clone"])
def test_what_a_power_cut_left_unfinished_is_cleared_and_can_be_made_again(
    pools: ZfsPools, pool: ZfsPool, kind: str
) -> None:
    volume = pool.create_volume(new_volume("a", 4))
    write(pool, volume.id, os.urandom(MIB))
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    if kind == "empty":
        zfs("create", "-s", "-V", "4M", dataset(pools, "half"))
    else:
        larger = ["-o", "volsize=8M"] if kind == "larger clone" else []
        zfs("clone", *larger, f"{dataset(pools, 'a')}@s-{snapshot.id}", dataset(pools, "half"))
    pools.settle()
    again = pools.reopen(pool)
    with pytest.raises(VolumeNotFound):
        again.volume(VolumeId.of_name("half"))
    assert len(pools.names()) == 2
    again.create_volume(new_volume("half"))
    assert list(again.leftovers()) == []
    again.close()


@pytest.mark.parametrize("kind", ["written", "older"])
def test_what_lost_its_record_but_may_hold_something_stays_and_is_shown(
    pools: ZfsPools, pool: ZfsPool, kind: str
) -> None:
    volume = pool.create_volume(new_volume("a", 4))
    other = pool.create_volume(new_volume("b"))
    write(pool, volume.id, os.urandom(2 * MIB) if kind == "written" else b"little")
    pools.settle()
    again = pools.reopen(pool) if kind == "older" else pool
    zfs("inherit", VOLUME, dataset(pools, "a"))
    again = pools.reopen(again)
    with pytest.raises(VolumeDamaged, match="is missing"):
        again.volume(volume.id)
    assert list(again.volumes()) == [other]
    [leftover] = again.leftovers()
    assert (str(leftover.where), leftover.clearable) == (dataset(pools, "a"), False)
    with pytest.raises(StillInUse):
        again.clear(leftover)
    assert dataset(pools, "a") in pools.names()
    again.close()


@pytest.mark.parametrize("text", ["", "{", '{"r":1}', '{"r":7,"n":"a","t":1}', "zlib:AAAA", "x\ty\nz"])
def test_broken_records_are_set_aside_and_keep_nobody_from_the_rest(pools: ZfsPools, pool: ZfsPool, text: str) -> None:
    volume = pool.create_volume(new_volume("a"))
    write(pool, volume.id, os.urandom(MIB))
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    other = pool.create_volume(new_volume("b"))
    zfs("set", f"{VOLUME}={text}", dataset(pools, "a"))
    zfs("set", f"{SNAPSHOT}={text}", f"{dataset(pools, 'a')}@s-{snapshot.id}")
    again = pools.reopen(pool)
    assert list(again.volumes()) == [other]
    with pytest.raises(VolumeDamaged):
        again.volume(volume.id)
    with pytest.raises(Damaged):
        again.snapshot(snapshot.id)
    assert len(again.leftovers()) == 2
    again.close()


def test_a_second_driver_is_refused_and_told_who_has_the_pool(pools: ZfsPools, pool: ZfsPool) -> None:
    with pytest.raises(PoolTaken, match=f"process {os.getpid()}"):
        ZfsPool.open(pools.dataset, freezer=FREEZER)
    pool.close()
    pools.open().close()


DYING = """
import os, sys, threading, time
from rokcsi.pools.zfs import ZfsPool
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable
pool = ZfsPool.open(sys.argv[1], freezer=Freezer(MountTable()))
threading.Thread(target=pool._home.runner.run, args=(["sh", "-c", sys.argv[2]],), daemon=True).start()
time.sleep(1)
os.kill(os.getpid(), 9)
"""


def test_a_command_of_a_driver_that_died_is_waited_for(pools: ZfsPools) -> None:
    late = dataset(pools, "late")
    record = '{"r":1,"n":"late","t":1}'
    command = f"sleep 4; zfs create -s -V 1M -o '{VOLUME}={record}' {late}"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", DYING, pools.dataset, command], check=False, timeout=60)
    again = pools.open()
    assert time.monotonic() - began > 4
    assert again.volume(VolumeId.of_name("late")).name == "late"
    again.close()


def test_the_process_that_waits_for_a_program_ends_with_its_driver(pools: ZfsPools) -> None:
    subprocess.run([sys.executable, "-c", DYING, pools.dataset, "true"], check=False, timeout=60)
    pools.open().close()
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True, timeout=30).stdout
    assert not re.search(rf"zfs program .*{pools.pool}", shown)


def test_a_dataset_that_is_not_a_pool_of_ours_is_refused(pools: ZfsPools) -> None:
    with pytest.raises(RecordNotFound, match="rokcsi pool create"):
        ZfsPool.open(f"{pools.pool}/nothing", freezer=FREEZER)
    zfs("create", f"{pools.dataset}/below")
    with pytest.raises(RecordNotFound, match="is no pool of rokcsi"):
        ZfsPool.open(f"{pools.dataset}/below", freezer=FREEZER)
    with pytest.raises(PoolAway, match="not imported"):
        ZfsPool.open("rokcsi-nobody/ours", freezer=FREEZER)
    zfs("set", f"{POOL}=something", pools.dataset)
    with pytest.raises(Damaged, match="no pool's id"):
        ZfsPool.open(pools.dataset, freezer=FREEZER)


@pytest.mark.parametrize("setting", ["volmode=none", "snapdev=visible", "readonly=on"])
def test_a_dataset_with_settings_that_volumes_cannot_have_is_refused(pools: ZfsPools, setting: str) -> None:
    zfs("set", setting, pools.dataset)
    with pytest.raises(NotSupported, match="zfs set"):
        pools.open()


def test_reserved_volumes_are_reserved_after_a_crash_too_and_the_deleted_reserve_nothing(pools: ZfsPools) -> None:
    pool = pools.open(reserve=True)
    volume = pool.create_volume(new_volume("a", 64))
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    reserved = ("get", "-Hp", "-o", "value", "refreservation")
    for name in "ac":
        assert int(zfs(*reserved, dataset(pools, name))) >= 64 * MIB
    zfs("set", "refreservation=none", dataset(pools, "c"))
    again = pools.reopen(pool, reserve=True)
    assert int(zfs(*reserved, dataset(pools, "c"))) >= 64 * MIB
    again.grow_volume(clone.id, type(clone.size)(128 * MIB))
    assert int(zfs(*reserved, dataset(pools, "c"))) >= 128 * MIB
    again.delete_volume(volume.id)
    assert int(zfs(*reserved, dataset(pools, "a"))) == 0
    again.close()
