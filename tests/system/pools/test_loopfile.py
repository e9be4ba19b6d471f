"""The loop-file pool where it differs from any other: its folder, its image, its loops, its leftovers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rokcsi.model.errors import (
    Damaged,
    InvalidRequest,
    NotSupported,
    PoolFull,
    PoolTaken,
    SizeOutOfRange,
    SnapshotNotFound,
    StillInUse,
    SystemCallFailed,
    VolumeNotFound,
)
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import FindsLeftovers, Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, GroupMembership, NewSnapshot
from rokcsi.model.volume import NewVolume
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system import loops
from rokcsi.system.failpoints import failing
from rokcsi.system.freezing import Freezer
from rokcsi.system.superblock import filesystem_size
from tests.fakes.loop_disks import run
from tests.fakes.loop_file_pools import LoopFilePools, write_durably

pytestmark = pytest.mark.system

MIB = 1 << 20
RAW = Bytes(8 * MIB)
XFS = Bytes(300 * MIB)


def raw(pool: LoopFilePool, name: str = "raw") -> VolumeId:
    return pool.create_volume(NewVolume(name, RAW, None)).id


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(MIB))


def fill_with_records(pool: LoopFilePool) -> None:
    for number in range(10_000):
        pool.create_volume(NewVolume(f"v{number}", RAW, None, labels={"l": "x" * 3000}))


def test_it_is_a_pool_that_finds_leftovers(pool: LoopFilePool) -> None:
    checked: Pool = pool
    assert isinstance(pool, FindsLeftovers)
    assert checked.name == f"loopfile:{pool._folder.path}"


def test_a_folder_has_one_driver_and_the_second_is_told_which(pools: LoopFilePools, pool: LoopFilePool) -> None:
    with pytest.raises(PoolTaken, match=f"process {os.getpid()}"):
        pools.open()


def test_a_pool_keeps_its_identity_and_everything_in_it_when_it_is_opened_again(pools: LoopFilePools) -> None:
    first = pools.open()
    volume = first.create_volume(NewVolume("Größe \n../é", XFS, "xfs", labels={"team": "Zürich"}))
    (snapshot,) = first.take_snapshots([NewSnapshot("s/1", volume.id, GroupMembership.of_name("g", 1))])
    first.close()
    again = pools.open()
    assert again.id == first.id
    assert list(again.volumes()) == [volume]
    assert list(again.snapshots()) == [snapshot]
    assert list(again.group(GroupMembership.of_name("g", 1).id)) == [snapshot]


def test_closing_gives_the_machine_back_and_leaves_volumes_in_use_alone(pools: LoopFilePools) -> None:
    pool = pools.open()
    pool.close()
    assert "pool.xfs" not in run("losetup", "-a").replace("\n", " ") or str(pools.folder) not in run("losetup", "-a")
    pool = pools.open()
    id_ = raw(pool)
    device = pool.attach(id_)
    write_durably(device, b"still here")
    pool.close()
    assert device.read_bytes()[:10] == b"still here"
    assert pools.open().attach(id_) == device


def test_after_a_kill_the_same_device_is_given_out_again(pools: LoopFilePools, pool: LoopFilePool) -> None:
    id_ = raw(pool)
    device = pool.attach(id_)
    assert pool.attach(id_) == device
    again = pools.reopen(pool)
    assert again.attach(id_) == device
    assert [loop.path for loop in loops.attached_loops().values()].count(device) == 1


def test_a_loop_made_behind_our_back_is_used_and_not_doubled(pools: LoopFilePools, pool: LoopFilePool) -> None:
    id_ = raw(pool)
    theirs = run("losetup", "--find", "--show", pool._disk.volume(id_))
    assert str(pool.attach(id_)) == theirs
    run("losetup", "--detach", theirs)
    assert pool.attach(id_).is_block_device()
    pool.detach(id_)


def test_a_device_in_use_is_neither_detached_nor_deleted_and_stays_as_it_was(pool: LoopFilePool) -> None:
    id_ = raw(pool)
    device = pool.attach(id_)
    holder = os.open(device, os.O_RDWR)
    try:
        with pytest.raises(StillInUse, match=str(device)):
            pool.detach(id_)
        with pytest.raises(StillInUse):
            pool.delete_volume(id_)
        assert run("losetup", "--noheadings", "--output", "AUTOCLEAR", device).strip() == "0"
    finally:
        os.close(holder)
    assert pool.attach(id_) == device
    pool.detach(id_)
    pool.detach(id_)
    assert pool.volume(id_).size == RAW


def test_a_device_somebody_let_go_while_it_was_held_is_kept_again(pool: LoopFilePool) -> None:
    id_ = raw(pool)
    device = pool.attach(id_)
    holder = os.open(device, os.O_RDWR)
    run("losetup", "--detach", device)
    assert pool.attach(id_) == device
    os.close(holder)
    assert run("losetup", "--noheadings", "--output", "AUTOCLEAR", device).strip() == "0"
    pool.detach(id_)


def test_a_volume_comes_with_its_file_system_which_is_made_once_for_each_size(pool: LoopFilePool) -> None:
    for filesystem, size in (("xfs", XFS), ("ext4", Bytes(64 * MIB))):
        for number in range(2):
            volume = pool.create_volume(NewVolume(f"{filesystem}{number}", size, filesystem))
            assert volume.formatted
            found = filesystem_size(pool.attach(volume.id))
            assert found is not None
            assert found.kind == filesystem
            assert size - MIB <= found.size <= size
    assert sorted(path.name for path in pool._disk.templates.iterdir()) == [f"ext4-{64 * MIB}", f"xfs-{int(XFS)}"]


def test_templates_that_were_not_used_for_long_give_way(pool: LoopFilePool) -> None:
    templates = pool._files._templates
    templates._most = 2
    for size in (32, 33, 32, 34):
        with templates.opened("ext4", Bytes(size * MIB)):
            pass
    assert sorted(path.name for path in pool._disk.templates.iterdir()) == [f"ext4-{32 * MIB}", f"ext4-{34 * MIB}"]


@pytest.mark.parametrize(
    ("size", "filesystem", "error"),
    [
        (Bytes(299 * MIB), "xfs", SizeOutOfRange),
        (Bytes(MIB), "ext4", SizeOutOfRange),
        (Bytes(MIB + 1), None, SizeOutOfRange),
        (Bytes(0), None, SizeOutOfRange),
        (Bytes(1 << 51), None, SizeOutOfRange),
        (Bytes(1 << 70), "xfs", SizeOutOfRange),
        (Bytes(64 * MIB), "ntfs", NotSupported),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    pool: LoopFilePool, size: Bytes, filesystem: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        pool.create_volume(NewVolume("v", size, filesystem))
    assert list(pool.volumes()) == []
    assert list(pool._disk.volumes.iterdir()) == []


def test_growing_an_attached_volume_grows_its_device_and_a_restart_makes_up_for_a_crash(
    pools: LoopFilePools, pool: LoopFilePool
) -> None:
    id_ = raw(pool)
    device = pool.attach(id_)
    pool.grow_volume(id_, Bytes(2 * RAW))
    assert int(run("blockdev", "--getsize64", device)) == 2 * RAW
    with failing("loopfile.grow.lengthened", Damaged("as the test wants it")), pytest.raises(Damaged):
        pool.grow_volume(id_, Bytes(3 * RAW))
    again = pools.reopen(pool)
    assert again.volume(id_).size == 3 * RAW
    assert int(run("blockdev", "--getsize64", device)) == 3 * RAW
    with pytest.raises(SizeOutOfRange, match="never shrinks"):
        again.grow_volume(id_, RAW)


def test_several_raw_volumes_in_use_are_not_cut_together_unless_that_is_accepted(pool: LoopFilePool) -> None:
    first, second, resting = raw(pool, "a"), raw(pool, "b"), raw(pool, "c")
    pool.attach(first)
    (alone,) = pool.take_snapshots([NewSnapshot("alone", first)])
    assert alone.consistency is Consistency.CRASH
    one = pool.take_snapshots([NewSnapshot("1", first), NewSnapshot("2", resting)])
    assert [snapshot.consistency for snapshot in one] == [Consistency.CRASH, Consistency.FROZEN]
    pool.attach(second)
    news = [NewSnapshot("3", first), NewSnapshot("4", second), NewSnapshot("5", resting)]
    with pytest.raises(NotSupported, match="raw block"):
        pool.take_snapshots(news)
    taken = pool.take_snapshots(news, aligned=False)
    assert [it.consistency for it in taken] == [Consistency.SHARED, Consistency.SHARED, Consistency.FROZEN]


def test_half_a_group_is_discarded_at_the_start_but_the_rest_of_a_whole_one_stays(
    pools: LoopFilePools, pool: LoopFilePool
) -> None:
    volumes = [raw(pool, name) for name in "abc"]
    whole, halved, deleted = ([NewSnapshot(f"{kind}{id_}", id_) for id_ in volumes] for kind in "whd")
    for news in (whole, halved, deleted):
        pool.take_snapshots(news)
    pool._disk.snapshot(halved[1].id).unlink()  # as if the crash had come before its name was on the disk
    pool.delete_snapshots([deleted[0].id])  # on purpose: the others were promised, and stay
    again = pools.reopen(pool)
    expected = sorted(new.id for new in [*whole, *deleted[1:]])
    assert [snapshot.id for snapshot in again.snapshots()] == expected
    assert sorted(path.name for path in again._disk.snapshots.iterdir()) == expected


def test_a_whole_group_whose_deletion_was_interrupted_is_gone_after_a_restart(
    pools: LoopFilePools, pool: LoopFilePool
) -> None:
    ids = [it.id for it in pool.take_snapshots([NewSnapshot(name, raw(pool, name)) for name in "ab"])]
    stop = Damaged("as the test wants it")
    with failing("loopfile.delete-snapshots.unlinked", stop), pytest.raises(Damaged):
        pool.delete_snapshots(ids)
    again = pools.reopen(pool)
    assert list(again.snapshots()) == []
    with pytest.raises(SnapshotNotFound):
        again.delete_snapshots(ids)


def test_what_went_without_its_flush_is_still_known_so_that_a_repeated_call_flushes_it(pool: LoopFilePool) -> None:
    id_ = raw(pool)
    (cut,) = pool.take_snapshots([NewSnapshot("s", id_)])
    stop = Damaged("as the test wants it")
    with failing("loopfile.delete.unlinked", stop), pytest.raises(Damaged):
        pool.delete_volume(id_)
    with failing("loopfile.delete-snapshots.unlinked", stop), pytest.raises(Damaged):
        pool.delete_snapshots([cut.id])
    assert (pool.volume(id_).id, pool.snapshot(cut.id).id) == (id_, cut.id)
    pool.delete_volume(id_)
    pool.delete_snapshots([cut.id])
    assert (list(pool.volumes()), list(pool.snapshots())) == ([], [])


def test_what_a_pool_cannot_be_opened_on_is_said_clearly(pools: LoopFilePools, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InvalidRequest, match="not a folder"):
        LoopFilePool.open(file, freezer=pools.freezer)
    with pytest.raises(InvalidRequest, match="absolute"):
        LoopFilePool.open(Path("pool"), freezer=pools.freezer)
    with pytest.raises(SizeOutOfRange, match="too small"):
        LoopFilePool.open(tmp_path / "small", freezer=pools.freezer, image_size=Bytes(MIB))
    with pytest.raises((NotSupported, SystemCallFailed)):
        LoopFilePool.open(Path("/proc/rokcsi"), freezer=pools.freezer)


@pytest.mark.parametrize(
    "text", ["{", json.dumps({"version": 1, "id": "x"}), json.dumps({"version": 99, "id": "0" * 32})]
)
def test_a_pool_whose_identity_cannot_be_read_is_not_opened(pools: LoopFilePools, text: str) -> None:
    pools.open().close()
    (pools.place / "pool.json").write_text(text)
    with pytest.raises(Damaged, match=r"pool\.json|newer"):
        pools.open()


def test_a_half_made_image_is_made_again(pools: LoopFilePools) -> None:
    pools.place.mkdir()
    (pools.place / "pool.xfs.new").write_bytes(b"half")
    assert list(pools.open().volumes()) == []
    assert not (pools.place / "pool.xfs.new").exists()


def test_another_mount_namespace_uses_the_same_loop_for_the_image(pools: LoopFilePools, pool: LoopFilePool) -> None:
    id_ = raw(pool)
    device = pool.attach(id_)
    pool._folder.release()
    program = f"""
import sys
import time
from pathlib import Path
from rokcsi.model.ids import VolumeId
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable, unmount
unmount({str(pools.place / "mnt")!r})
pool = LoopFilePool.open(Path({str(pools.place)!r}), freezer=Freezer(MountTable()))
print(pool.attach(VolumeId({str(id_)!r})))
"""
    elsewhere = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", program]
    ended = subprocess.run(elsewhere, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.strip() == str(device), ended.stderr
    backing = [
        path for path in run("losetup", "--noheadings", "--output", "BACK-FILE").split() if str(pools.folder) in path
    ]
    assert len([path for path in backing if path.endswith("pool.xfs")]) == 1


def test_the_image_is_detached_when_the_namespace_of_a_driver_before_us_ends(pools: LoopFilePools) -> None:
    pools.open().close()
    program = f"""
import sys
import time
from pathlib import Path
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable
pool = LoopFilePool.open(Path({str(pools.place)!r}), freezer=Freezer(MountTable()))
pool._folder.release()
print("open", flush=True)
sys.stdin.read()
"""
    elsewhere = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", program]
    with subprocess.Popen(elsewhere, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as before_us:
        assert before_us.stdout is not None
        assert before_us.stdout.readline() == "open\n"
        pools.open().close()
        assert str(pools.place / "pool.xfs") in run("losetup", "-a")
        before_us.communicate(timeout=60)
    until = time.monotonic() + 30
    while str(pools.place / "pool.xfs") in run("losetup", "-a"):
        assert time.monotonic() < until, "the image's loop is left behind"
        time.sleep(0.05)
    assert list(pools.open().volumes()) == []


def test_a_driver_that_comes_back_keeps_the_loop_that_was_to_go(pools: LoopFilePools) -> None:
    pool = pools.open()
    loop = loops.attached_loops()[loops.key_of(pools.place / "pool.xfs")]
    loops.detach_in_time(loop, loops.key_of(pools.place / "pool.xfs"))
    again = pools.reopen(pool)
    status = loops.status_of(loop)
    assert status is not None
    assert not status.lingering
    again.close()


def test_leftovers_are_found_named_and_cleared_and_nothing_else_is(pools: LoopFilePools, pool: LoopFilePool) -> None:
    attached, mounted, deleted = (
        raw(pool, "attached"),
        pool.create_volume(NewVolume("m", XFS, "xfs")).id,
        raw(pool, "gone"),
    )
    stray = pool._disk.volumes / "notes.txt"
    stray.write_text("mine")
    idle, orphan = pool.attach(attached), pool.attach(deleted)
    pool._disk.volume(deleted).unlink()
    pool = pools.reopen(pool)
    with pools.mounted(pool, pool.attach(mounted), "point"):
        found = pool.leftovers()
        assert {leftover.where for leftover in found} == {stray, idle, orphan}
        for leftover in found:
            pool.clear(leftover)
        assert pool.leftovers() == []
    with pytest.raises(StillInUse, match="no leftover"):
        pool.clear(found[0])
    assert pool.volume(attached).name == "attached"
    with pytest.raises(VolumeNotFound):
        pool.volume(deleted)


def test_capacity_counts_what_the_host_has_left(pool: LoopFilePool) -> None:
    room = pool.capacity()
    host = os.statvfs(pool._folder.path)
    assert room.available <= host.f_bavail * host.f_frsize
    assert 0 < room.used < room.total
    id_ = raw(pool)
    assert pool.capacity().promised == RAW
    write_durably(pool.attach(id_), os.urandom(1 << 20))
    assert pool.footprint(id_).allocated >= 1 << 20
    assert pool.footprint(id_).extents >= 1


def test_a_full_pool_refuses_and_keeps_what_it_has(pools: LoopFilePools) -> None:
    pool = LoopFilePool.open(pools.place, freezer=pools.freezer, image_size=Bytes(300 * MIB))
    id_ = raw(pool)
    device = pool.attach(id_)
    write_durably(device, b"kept")
    before = digest(device)
    with pytest.raises(OSError, match="No space"):
        fill(pool._disk.root / "filler")
    with pytest.raises(PoolFull):
        fill_with_records(pool)
    assert digest(device) == before


def test_a_freezer_is_not_needed_for_volumes_that_rest(pools: LoopFilePools, pool: LoopFilePool) -> None:
    assert isinstance(pools.freezer, Freezer)
    pool.take_snapshots([NewSnapshot("s", raw(pool))])
    assert pools.freezer._watchdog.pid is None
