"""What is special about pools on ZFS, beside what every pool promises."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import rokcsi.system.command
from rokcsi.model.errors import InvalidRequest, SnapshotExists, StillInUse, VolumeExists
from rokcsi.model.ids import VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import NewVolume, Tuning, Volume
from rokcsi.pools.zfs import ZfsPool
from rokcsi.pools.zfs.records import DELETED
from tests.fakes.pool_records import MIB, new_clone, new_group, new_volume
from tests.fakes.zfs_pools import ZfsPools, zfs

pytestmark = pytest.mark.lab


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


def write(pool: ZfsPool, id: VolumeId, data: bytes, offset: int = 0) -> None:
    fd = os.open(pool.attach(id), os.O_WRONLY)
    try:
        os.pwrite(fd, data, offset)
        os.fsync(fd)
    finally:
        os.close(fd)


def written(pool: ZfsPool, name: str, mebibytes: int = 1) -> Volume:
    volume = pool.create_volume(new_volume(name, mebibytes))
    write(pool, volume.id, os.urandom(mebibytes * MIB))
    return volume


def cut(pool: ZfsPool, name: str, volume: Volume) -> Snapshot:
    [snapshot] = pool.take_snapshots([NewSnapshot(name, volume.id)])
    return snapshot


class Counted(list[list[str]]):
    """The command lines of the processes that were started."""

    def programs(self) -> list[str]:
        return [" ".join(argv[:2]) for argv in self]


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    started, really = Counted(), rokcsi.system.command._started

    def counting(argv: list[str], stdin: int, held: int | None) -> subprocess.Popen[bytes]:
        started.append(list(argv))
        return really(argv, stdin, held)

    with monkeypatch.context() as patch:
        patch.setattr(rokcsi.system.command, "_started", counting)
        yield started


def zfs_version() -> tuple[int, ...]:
    """Give the version of the ZFS that runs here, major and minor; since 2.4 a channel program can clone."""
    return tuple(map(int, Path("/sys/module/zfs/version").read_text().split(".")[:2]))


def test_every_change_is_one_process(pool: ZfsPool, monkeypatch: pytest.MonkeyPatch) -> None:
    volumes = [pool.create_volume(new_volume(name)) for name in "vwxy"]
    for volume in volumes:
        pool.attach(volume.id)
    with counted(monkeypatch) as started:
        snapshot = cut(pool, "s", volumes[0])
    assert started.programs() == ["zfs program"]
    with counted(monkeypatch) as started:
        clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    assert started.programs() == ["zfs program" if zfs_version() >= (2, 4) else "zfs clone"]
    with counted(monkeypatch) as started:
        larger = pool.clone_snapshot(snapshot.id, replace(new_clone("l", snapshot), size=Bytes(2 * MIB)))
    assert started.programs() == ["zfs clone"]
    with counted(monkeypatch) as started:
        group = pool.take_snapshots(new_group("g", volumes))
    assert started.programs() == ["zfs program"]
    with counted(monkeypatch) as started:
        pool.delete_snapshots([member.id for member in group])
    assert started.programs() == ["zfs program"]
    for volume in (clone, volumes[0], volumes[1], larger):
        with counted(monkeypatch) as started:
            pool.delete_volume(volume.id)
        assert started.programs() == ["zfs program"]


def test_no_question_starts_a_process(pool: ZfsPool, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = written(pool, "a")
    snapshot = cut(pool, "s", volume)
    with counted(monkeypatch) as started:
        assert pool.volume(volume.id) == volume
        assert list(pool.volumes()) == [volume]
        assert list(pool.snapshots_of(volume.id)) == list(pool.snapshots()) == [snapshot]
        assert pool.capacity().available > 0
        assert pool.attached(volume.id) == pool.attach(volume.id)
        pool.detach(volume.id)
    assert started == []


def test_volumes_are_thin_and_shown_as_devices_only(pools: ZfsPools, pool: ZfsPool) -> None:
    volume = pool.create_volume(new_volume("a", 64))
    dataset = f"{pools.dataset}/v-{volume.id}"
    asked = zfs("get", "-Hp", "-o", "value", "volsize,volblocksize,refreservation,volmode", dataset)
    assert asked.split() == [str(64 * MIB), "16384", "0", "dev"]


def test_a_class_chooses_block_size_and_compression(pools: ZfsPools, pool: ZfsPool) -> None:
    tuned = NewVolume("a", Bytes(MIB), None, tuning=Tuning(Bytes(65536), "zstd-3"))
    volume = pool.create_volume(tuned)
    asked = ("get", "-Hp", "-o", "value", "volblocksize,compression")
    assert zfs(*asked, f"{pools.dataset}/v-{volume.id}").split() == ["65536", "zstd-3"]
    snapshot = cut(pool, "s", volume)
    clone = pool.clone_snapshot(snapshot.id, replace(new_clone("c", snapshot), tuning=Tuning(Bytes(16384), "off")))
    assert zfs(*asked, f"{pools.dataset}/v-{clone.id}").split() == ["65536", "off"]
    again = pools.reopen(pool)
    assert [again.volume(each.id) for each in (volume, clone)] == [volume, clone]
    again.close()


@pytest.mark.parametrize(
    "tuning",
    [
        Tuning(Bytes(5000)),
        Tuning(Bytes(512)),
        Tuning(Bytes(1 << 20)),
        Tuning(compression="best"),
        Tuning(compression="zstd-20"),
    ],
)
def test_a_tuning_that_zfs_does_not_know_is_refused(pool: ZfsPool, tuning: Tuning) -> None:
    with pytest.raises(InvalidRequest):
        pool.create_volume(NewVolume("a", Bytes(MIB), None, tuning=tuning))
    assert list(pool.volumes()) == []


def test_what_is_deleted_and_still_needed_is_shown_and_goes_with_the_last_that_needs_it(
    pools: ZfsPools, pool: ZfsPool
) -> None:
    volume = written(pool, "a", 8)
    snapshot = cut(pool, "s", volume)
    clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    pools.settle()
    full = pool.capacity()
    assert full.kept == 0
    pool.delete_volume(volume.id)
    assert pool.capacity().kept == 0, "the snapshot needs it, and somebody has that"
    pool.delete_snapshots([snapshot.id])
    assert 8 * MIB <= pool.capacity().kept < 9 * MIB
    again = pools.reopen(pool)
    assert 8 * MIB <= again.capacity().kept < 9 * MIB
    again.delete_volume(clone.id)
    assert again.capacity().kept == 0
    pools.settle()
    assert again.capacity().available - full.available > 7 * MIB
    assert pools.names() == []
    again.close()


def test_a_dead_snapshot_of_a_living_volume_is_shown_as_the_volume_moves_on(
    pools: ZfsPools, pool: ZfsPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = written(pool, "a", 8)
    snapshot = cut(pool, "s", volume)
    clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    pool.delete_snapshots([snapshot.id])
    write(pool, volume.id, os.urandom(4 * MIB))
    pools.settle()
    monkeypatch.setattr("rokcsi.pools.zfs.room._DEAD_SECONDS", 0.0)
    assert 4 * MIB <= pool.capacity().kept < 5 * MIB
    pool.delete_volume(clone.id)
    assert pool.capacity().kept == 0


def test_a_deleted_volume_keeps_nothing_that_no_snapshot_of_it_holds(pools: ZfsPools, pool: ZfsPool) -> None:
    volume = written(pool, "a")
    snapshot = cut(pool, "s", volume)
    write(pool, volume.id, os.urandom(MIB))
    pools.settle()
    pool.delete_volume(volume.id)
    pools.settle()
    dataset = f"{pools.dataset}/v-{volume.id}"
    assert int(zfs("get", "-Hp", "-o", "value", "used", dataset)) < 1.5 * MIB
    assert list(pool.snapshots()) == [snapshot]


def test_a_name_is_free_again_though_its_volume_and_snapshot_have_to_stay(pools: ZfsPools, pool: ZfsPool) -> None:
    for generation in range(3):
        volume = written(pool, "a")
        snapshot = cut(pool, "s", volume)
        pool.clone_snapshot(snapshot.id, new_clone(f"c{generation}", snapshot))
        pool.delete_snapshots([snapshot.id])
        pool.delete_volume(volume.id)
    assert sum(name.count("@") == 0 for name in pools.names()) == 6
    volume = written(pool, "a")
    first = cut(pool, "s", volume)
    pool.clone_snapshot(first.id, new_clone("c", first))
    pool.delete_snapshots([first.id])
    second = cut(pool, "s", volume)
    again = pools.reopen(pool)
    assert again.snapshot(second.id) == second
    assert len(again.volumes()) == 5
    for each in again.volumes():
        again.delete_volume(each.id)
    assert len(pools.names()) == 2, "the volume that has the second snapshot, and that"
    again.delete_snapshots([second.id])
    assert pools.names() == []
    again.close()


def test_strangers_are_left_alone(pools: ZfsPools, pool: ZfsPool) -> None:
    volume = written(pool, "a")
    ours = f"{pools.dataset}/v-{volume.id}"
    zfs("create", f"{pools.dataset}/theirs")
    zfs("create", "-s", "-V", "64M", f"{pools.dataset}/v-mine")
    zfs("snapshot", f"{ours}@daily")
    zfs("clone", f"{ours}@daily", f"{pools.pool}/elsewhere")
    strangers = [f"{pools.dataset}/theirs", f"{pools.dataset}/v-mine", f"{ours}@daily"]
    again = pools.reopen(pool)
    assert list(again.volumes()) == [volume]
    assert list(again.snapshots()) == []
    again.delete_volume(volume.id)
    assert set(strangers) <= set(pools.names()), "their snapshot keeps our volume as a grave"
    zfs("list", f"{pools.pool}/elsewhere")
    assert list(again.volumes()) == []
    again = pools.reopen(again)
    assert list(again.volumes()) == []
    assert again.capacity().kept > MIB
    zfs("destroy", f"{pools.pool}/elsewhere")
    zfs("destroy", f"{ours}@daily")
    again = pools.reopen(again)
    assert pools.names() == strangers[:2], "a grave that nobody needs any more goes at the start"
    assert (list(again.leftovers()), again.capacity().kept) == ([], 0)
    again.close()


def test_a_stranger_in_the_way_is_said_and_not_overwritten(pools: ZfsPools, pool: ZfsPool) -> None:
    new = new_volume("a")
    zfs("create", "-s", "-V", "1M", f"{pools.dataset}/v-{new.id}")
    with pytest.raises(VolumeExists, match="in the way"):
        pool.create_volume(new)
    zfs("destroy", f"{pools.dataset}/v-{new.id}")
    volume = pool.create_volume(new)
    zfs("snapshot", f"{pools.dataset}/v-{volume.id}@s-{NewSnapshot('s', volume.id).id}")
    with pytest.raises(SnapshotExists, match="in the way"):
        cut(pool, "s", volume)


def test_a_held_snapshot_is_deleted_for_us_and_goes_when_it_is_let_go(pools: ZfsPools, pool: ZfsPool) -> None:
    volume = written(pool, "a")
    snapshot = cut(pool, "s", volume)
    name = f"{pools.dataset}/v-{volume.id}@s-{snapshot.id}"
    zfs("hold", "backup", name)
    pool.delete_snapshots([snapshot.id])
    assert list(pool.snapshots()) == []
    assert name in pools.names()
    zfs("release", "backup", name)
    assert name not in pools.names()


def test_a_volume_that_a_program_has_open_is_not_deleted(pool: ZfsPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rokcsi.pools.zfs.burial._PASSERS_BY_SECONDS", 0.2)
    volume = written(pool, "a")
    cut(pool, "s", volume)
    with pool.attach(volume.id).open("rb"), pytest.raises(StillInUse, match="a program has"):
        pool.delete_volume(volume.id)
    assert pool.volume(volume.id) == volume
    pool.delete_volume(volume.id)


def test_one_who_only_looks_is_waited_for(pool: ZfsPool) -> None:
    volume = written(pool, "a")
    looking = pool.attach(volume.id).open("rb")
    threading.Timer(0.5, looking.close).start()
    pool.delete_volume(volume.id)
    assert looking.closed


def test_a_mark_above_deletes_nothing(pools: ZfsPools, pool: ZfsPool) -> None:
    volumes = [written(pool, name) for name in "ab"]
    snapshot = cut(pool, "s", volumes[0])
    zfs("set", f"{DELETED}=ours", pools.dataset)
    again = pools.reopen(pool)
    assert len(again.volumes()) == 2
    again.delete_snapshots([snapshot.id])
    assert len(pools.names()) == 2
    again.close()


def test_several_raw_volumes_are_cut_at_one_instant(pool: ZfsPool) -> None:
    """A writer counts up on one volume and then on the other; a cut between finds them one apart at most."""
    volumes = [pool.create_volume(new_volume(name)) for name in "ab"]
    devices = [os.open(pool.attach(volume.id), os.O_WRONLY | os.O_DSYNC) for volume in volumes]
    stop = threading.Event()

    def count() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            for device in devices:
                os.pwrite(device, number.to_bytes(512, "little"), 0)

    writer = threading.Thread(target=count)
    writer.start()
    try:
        groups = [pool.take_snapshots(new_group(f"g{number}", volumes)) for number in range(5)]
    finally:
        stop.set()
        writer.join()
        for device in devices:
            os.close(device)
    found = []
    for group in groups:
        clones = [pool.clone_snapshot(each.id, new_clone(f"c{each.id}", each)) for each in group]
        found.append([int.from_bytes(pool.attach(clone.id).open("rb").read(512), "little") for clone in clones])
    assert all(first - second in {0, 1} for first, second in found), found
    assert len({first for first, _ in found}) > 1, "the writer stood still"
