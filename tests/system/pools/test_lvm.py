"""The pool of logical volumes on real LVM and real dm-thin: what admins see, what it costs, whom it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.errors import (
    Damaged,
    InvalidRequest,
    PoolTaken,
    StillInUse,
    Unavailable,
    VolumeDamaged,
    VolumeExists,
)
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, NewSnapshot
from rokcsi.model.volume import NewVolume
from rokcsi.pools.lvm import LvmPool
from rokcsi.system import lvm as commands
from rokcsi.system.locks import KeyedLocks
from tests.fakes.lvm_pools import LvmPools, lvm_pools
from tests.fakes.pool_records import MIB, new_clone, new_group, new_volume

pytestmark = pytest.mark.lab

HOSTILE = """
activation { volume_list = [ "@nothing" ]  activation_mode = "partial"  thin_pool_autoextend_threshold = 50  monitoring = 0 }
devices { issue_discards = 1  scan_lvs = 1 }
global { units = "h"  wait_for_locks = 0 }
report { compact_output = 1  list_item_separator = " "  binary_values_as_numeric = 1  prefixes = 1  columns_as_rows = 1 }
log { prefix = "NOISE "  command_names = 1  verbose = 2  silent = 1 }
"""


@pytest.fixture
def pools() -> Iterator[LvmPools]:
    with lvm_pools() as pools:
        yield pools


@pytest.fixture
def pool(pools: LvmPools) -> Iterator[LvmPool]:
    pool = pools.open()
    pools.runner.since()
    yield pool
    pool.close()


def reopened(pools: LvmPools, pool: LvmPool) -> LvmPool:
    pool.close()
    return pools.open()


def test_admins_see_every_volume_and_snapshot_and_what_it_is(pools: LvmPools, pool: LvmPool) -> None:
    volume = pool.create_volume(NewVolume("pvc-3f0e7c1e-3c5b-4f7e-9d0a-52a3a5a0a1b2", Bytes(MIB), "xfs"))
    [snapshot] = pool.take_snapshots([NewSnapshot("snapshot-1", volume.id)])
    pool.clone_snapshot(snapshot.id, new_clone("clone", snapshot))
    shown = pools.shown("lv_tags", "lv_permissions", "lv_skip_activation", "lv_active", "origin")
    assert set(shown) == {f"v-{volume.id}", f"s-{snapshot.id}", f"v-{VolumeId.of_name('clone')}"}
    tags, permissions, skips, active, _ = shown[f"v-{volume.id}"]
    assert tags.startswith("rokcsi:npvc-3f0e7c1e-3c5b-4f7e-9d0a-52a3a5a0a1b2:t#")
    assert len(tags) <= 100
    assert permissions != "read-only"
    assert (skips, active) == ("skip activation", "")
    assert shown[f"s-{snapshot.id}"][1:] == ("read-only", "skip activation", "", f"v-{volume.id}")
    assert shown[f"v-{VolumeId.of_name('clone')}"][-1] == f"s-{snapshot.id}"


def test_one_process_makes_or_takes_away_a_thing_and_looking_starts_none(pools: LvmPools, pool: LvmPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    assert pools.runner.since() == ["lvcreate"]
    cut = [pool.take_snapshots([NewSnapshot(name, volume.id)])[0] for name in "st"]
    assert pools.runner.since() == ["lvcreate", "lvcreate"]
    clone = pool.clone_snapshot(cut[0].id, new_clone("c", cut[0]))
    assert pools.runner.since() == ["lvcreate"]
    pool.clone_snapshot(cut[0].id, new_volume("larger", 2))
    assert pools.runner.since() == ["lvcreate", "lvextend"]
    pool.attach(clone.id)
    assert pools.runner.since() == ["lvchange"]
    pool.attach(clone.id)
    for look in (pool.volumes, pool.snapshots, pool.capacity):
        look()
    assert pool.attached(clone.id) is not None
    pool.footprint(clone.id)
    assert pools.runner.since() == []
    pool.detach(clone.id)
    assert pools.runner.since() == ["lvchange"]
    pool.detach(clone.id)
    assert pools.runner.since() == []
    pool.grow_volume(clone.id, Bytes(2 * MIB))
    pool.label_volume(clone.id, {"a": "b"})
    pool.mark_formatted(clone.id)
    assert pools.runner.since() == ["lvextend", "lvchange", "lvchange"]
    pool.delete_snapshots([snapshot.id for snapshot in cut])
    pool.delete_volume(clone.id)
    assert pools.runner.since() == ["lvremove", "lvremove"]


def test_opening_a_pool_is_one_listing(pools: LvmPools, pool: LvmPool) -> None:
    pool.create_volume(new_volume("a"))
    again = reopened(pools, pool)
    assert pools.runner.since() == ["lvs"]
    again.close()


def test_a_group_is_cut_in_one_window_of_the_kernels_own(pools: LvmPools, pool: LvmPool) -> None:
    volumes = [pool.create_volume(new_volume(name)) for name in "abcd"]
    files = [os.open(pool.attach(volume.id), os.O_RDWR | os.O_DIRECT) for volume in volumes]
    pools.runner.since()
    cut = pool.take_snapshots(new_group("g", volumes))
    assert pools.runner.since() == [*["lvcreate"] * 4, "lvs", "lvchange"]
    assert {snapshot.consistency for snapshot in cut} == {Consistency.CRASH}
    [window] = {snapshot.freeze_window_seconds for snapshot in cut}
    assert 0.0 < window < 0.25
    for file in files:
        os.close(file)
    again = reopened(pools, pool)
    assert [again.snapshot(snapshot.id) for snapshot in cut] == cut
    again.close()


def test_the_thin_pool_says_at_once_how_full_it_is(pool: LvmPool) -> None:
    capacity = pool.capacity()
    assert capacity.total == 1024 * MIB
    assert capacity.metadata_used is not None
    assert 0.0 < capacity.metadata_used < 0.2
    assert pool.traits.allocation_unit == MIB


def test_a_second_driver_is_refused_and_told_of_the_first(pools: LvmPools, pool: LvmPool) -> None:
    _ = pool
    second = (
        "import sys; from rokcsi.pools.lvm import LvmPool; from rokcsi.system.locks import KeyedLocks;"
        "from rokcsi.system.mounts import MountTable;"
        "LvmPool.open(sys.argv[1], sys.argv[2], points=MountTable(), locks=KeyedLocks())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", second, pools.group.name, pools.name], capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert f"PoolTaken: the pool is served by process {os.getpid()} already" in ended.stderr
    with pytest.raises(PoolTaken):
        pools.open()


def test_a_command_of_a_driver_before_us_is_waited_for(pools: LvmPools, pool: LvmPool) -> None:
    left = subprocess.Popen(["sleep", "1"], stdin=pools.runner._held)
    again = reopened(pools, pool)
    assert left.poll() == 0
    again.close()


def test_logical_volumes_of_others_are_never_touched(pools: LvmPools, pool: LvmPool) -> None:
    in_the_way = f"v-{VolumeId.of_name('a')}"
    for name in ("theirs", in_the_way):
        pools.group.run("lvcreate", "--thin", "--virtualsize", "4m", "--name", name, pools.path(pools.name))
    pools.group.run("lvchange", "--addtag", "rokcsi:nx", pools.path("theirs"))
    pool = reopened(pools, pool)
    assert (list(pool.volumes()), list(pool.snapshots())) == ([], [])
    with pytest.raises(VolumeExists, match="in the way"):
        pool.create_volume(new_volume("a"))
    found = {leftover.where.name: leftover for leftover in pool.leftovers()}
    assert set(found) == {"theirs", in_the_way}
    for leftover in found.values():
        with pytest.raises(StillInUse):
            pool.clear(leftover)
    pool.create_volume(new_volume("b"))
    assert set(pools.shown()) == {"theirs", in_the_way, f"v-{VolumeId.of_name('b')}"}
    pool.close()


def test_broken_tags_are_shown_and_keep_nobody_from_the_rest(pools: LvmPools, pool: LvmPool) -> None:
    for name in "ab":
        pool.create_volume(new_volume(name))
    [snapshot] = pool.take_snapshots([NewSnapshot("s", VolumeId.of_name("b"))])
    pools.group.run("lvchange", "--addtag", "rokcsi.1/1:x", pools.path(f"v-{VolumeId.of_name('a')}"))
    pools.group.run("lvchange", "--addtag", "rokcsi:na:tnever", pools.path(f"s-{snapshot.id}"))
    pool = reopened(pools, pool)
    assert [volume.name for volume in pool.volumes()] == ["b"]
    with pytest.raises(VolumeDamaged, match="restore them with lvchange"):
        pool.volume(VolumeId.of_name("a"))
    with pytest.raises(Damaged):
        pool.snapshot(snapshot.id)
    with pytest.raises(VolumeExists):
        pool.create_volume(new_volume("a"))
    found = pool.leftovers()
    assert {leftover.kind for leftover in found} == {"damaged logical volume"}
    assert not any(leftover.clearable for leftover in found)
    pool.close()


def test_a_volume_made_while_nobody_looked_is_taken_in(pools: LvmPools, pool: LvmPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    pool._inventory.drop_volume(volume.id)
    with pytest.raises(VolumeExists):
        pool.create_volume(new_volume("a"))
    assert pool.volume(volume.id) == volume


@pytest.mark.usefixtures("pools")
def test_what_is_no_pool_is_refused_with_a_word_what_to_do(pools: LvmPools) -> None:
    def opening(group: str, name: str) -> LvmPool:
        return LvmPool.open(group, name, points=pools.table, locks=KeyedLocks())

    pools.group.run("lvcreate", "--wipesignatures", "n", "--size", "4m", "--name", "linear", pools.group.name)
    try:
        with pytest.raises(InvalidRequest, match="no thin pool, but linear"):
            opening(pools.group.name, "linear")
    finally:
        pools.group.run("lvremove", "--yes", pools.path("linear"))
    with pytest.raises(Unavailable, match="has no logical volume never"):
        opening(pools.group.name, "never")
    with pytest.raises(Unavailable, match="no such volume group"):
        opening("nosuchgroup", "never")


def test_a_pool_of_another_engine_is_refused(pools: LvmPools, pool: LvmPool) -> None:
    identity = f"rokcsi.pool:lvm:{pool.id}"
    pool.close()
    path = pools.path(pools.name)
    pools.group.run("lvchange", "--deltag", identity, "--addtag", f"rokcsi.pool:lvm-direct:{pool.id}", path)
    try:
        with pytest.raises(InvalidRequest, match="lvm-direct"):
            pools.open()
        pools.group.run("lvchange", "--addtag", "rokcsi.pool:lvm:nonsense", path)
        pools.group.run("lvchange", "--deltag", f"rokcsi.pool:lvm-direct:{pool.id}", path)
        with pytest.raises(Damaged, match="do not hold one pool's id"):
            pools.open()
    finally:
        pools.group.run("lvchange", "--deltag", "rokcsi.pool:lvm:nonsense", "--addtag", identity, path)
    again = pools.open()
    assert again.id == pool.id
    again.close()


def test_a_pool_that_is_not_active_is_activated(pools: LvmPools, pool: LvmPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    pool.close()
    pools.group.run("lvchange", "--activate", "n", pools.path(pools.name))
    again = pools.open()
    assert again.capacity().total == 1024 * MIB
    assert again.volume(volume.id) == volume
    again.close()


def test_a_hostile_lvm_conf_changes_nothing(
    pools: LvmPools, pool: LvmPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lvm.conf").write_text(HOSTILE)
    monkeypatch.setenv("LVM_SYSTEM_DIR", str(tmp_path))
    pool = reopened(pools, pool)
    volume = pool.create_volume(NewVolume("a", Bytes(MIB), None, labels={"a": "1", "b": "2"}))
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    with pytest.raises(Damaged, match="activation/volume_list"):
        pool.attach(volume.id)
    pool = reopened(pools, pool)
    assert pool.volume(volume.id) == volume
    assert len(pool.volumes()) == 2
    pool.delete_snapshots([snapshot.id])
    pool.delete_volume(volume.id)
    assert not (tmp_path / "archive").exists()
    pool.close()


def test_no_udev_is_needed(pools: LvmPools, pool: LvmPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "udev_runs", lambda: False)
    volume = pool.create_volume(new_volume("a"))
    pool.attach(volume.id).write_bytes(b"mine")
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    assert pool.attach(clone.id).read_bytes().startswith(b"mine")
    for id_ in (volume.id, clone.id):
        pool.detach(id_)
        pool.delete_volume(id_)
    assert pools.shown() == {f"s-{snapshot.id}": ()}


def test_what_each_occupies_is_known_again_after_a_restart_without_activating_anything(
    pools: LvmPools, pool: LvmPool
) -> None:
    volume = pool.create_volume(new_volume("a", 4))
    pool.attach(volume.id).write_bytes(b"x" * (2 * MIB))
    pool.detach(volume.id)
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    pool = reopened(pools, pool)
    pools.runner.since()
    assert pool.footprint(volume.id).allocated == pool.footprint(snapshot.id).allocated == 2 * MIB
    assert pools.runner.since() == ["lvs"]
    assert pool.attached(volume.id) is None
    pool.close()


def test_an_idle_device_is_a_leftover_and_can_be_cleared(pool: LvmPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    pool.attach(volume.id)
    [leftover] = pool.leftovers()
    assert (leftover.kind, leftover.where.name) == ("device", f"v-{volume.id}")
    pool.clear(leftover)
    assert pool.attached(volume.id) is None
    with pytest.raises(StillInUse, match="no leftover any more"):
        pool.clear(leftover)


def test_a_snapshot_that_an_admin_has_opened_is_not_deleted(pools: LvmPools, pool: LvmPool) -> None:
    volume = pool.create_volume(new_volume("a"))
    [first] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    [second] = pool.take_snapshots([NewSnapshot("t", volume.id)])
    pools.group.run("lvchange", "--activate", "y", "--ignoreactivationskip", pools.path(f"s-{second.id}"))
    with (Path("/dev") / pools.path(f"s-{second.id}")).open("rb"), pytest.raises(StillInUse):
        pool.delete_snapshots([first.id, second.id])
    assert [snapshot.id for snapshot in pool.snapshots()] == [SnapshotId.of_name("t")]
    pool.delete_snapshots([second.id])
