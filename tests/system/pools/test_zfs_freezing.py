"""The freeze window on ZFS: what is in a cut of mounted volumes, how long writers wait, and who lets them go."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rokcsi.model.errors import Busy, Damaged
from rokcsi.model.snapshot import Consistency, NewSnapshot, Snapshot
from rokcsi.model.volume import NewVolume, Volume, VolumeSource
from rokcsi.pools.zfs import ZfsPool
from rokcsi.system.failpoints import failing, visiting
from tests.fakes.pool_records import MIB, new_group
from tests.fakes.writer import Writer
from tests.fakes.zfs_pools import ZfsPools

pytestmark = [pytest.mark.lab, pytest.mark.slow]

Mounted = list[tuple[Volume, Path]]


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


@pytest.fixture
def mounted(pools: ZfsPools, pool: ZfsPool) -> Iterator[Mounted]:
    """Three mounted volumes: two XFS, one ext4."""
    with ExitStack() as stack:
        volumes = [pools.formatted(pool, *kind) for kind in (("a", "xfs"), ("b", "ext4"), ("c", "xfs"))]
        yield [(volume, stack.enter_context(pools.mounted(pool, volume))) for volume in volumes]


def clone_of(pool: ZfsPool, snapshot: Snapshot) -> Volume:
    source = VolumeSource(snapshot=snapshot.id)
    return pool.clone_snapshot(
        snapshot.id, NewVolume(f"clone of {snapshot.name}", snapshot.size, snapshot.filesystem, source)
    )


def number_in(pools: ZfsPools, pool: ZfsPool, snapshot: Snapshot) -> int:
    clone = clone_of(pool, snapshot)
    with pools.mounted(pool, clone) as point:
        number = int((point / "number").read_bytes())
    pool.delete_volume(clone.id)
    return number


def test_a_group_is_cut_at_one_instant_while_all_its_volumes_are_written(
    pools: ZfsPools, pool: ZfsPool, mounted: Mounted
) -> None:
    with Writer.at_work([point / "number" for _, point in mounted]) as writer:
        for cut in range(3):
            before = writer.rounds
            taken = pool.take_snapshots(new_group(f"group {cut}", [volume for volume, _ in mounted]))
            assert {each.consistency for each in taken} == {Consistency.FROZEN}
            assert len({each.freeze_window_seconds for each in taken}) == 1
            assert 0 < taken[0].freeze_window_seconds < 2.0
            assert writer.goes_on_within(3)
            numbers = [number_in(pools, pool, snapshot) for snapshot in taken]
            assert numbers == sorted(numbers, reverse=True)
            assert numbers[0] - numbers[-1] <= 1
            assert numbers[0] >= before - 1


def test_how_long_writers_were_held_up_is_known_after_a_restart_too(
    pools: ZfsPools, pool: ZfsPool, mounted: Mounted
) -> None:
    taken = pool.take_snapshots(new_group("g", [volume for volume, _ in mounted]))
    assert taken[0].freeze_window_seconds > 0
    again = pools.reopen(pool)
    assert [again.snapshot(snapshot.id) for snapshot in taken] == list(taken)
    again.close()


def test_what_was_written_and_not_yet_flushed_is_in_the_cut(pools: ZfsPools, pool: ZfsPool, mounted: Mounted) -> None:
    contents = [os.urandom(8 * MIB) for _ in mounted]
    for (_, point), content in zip(mounted, contents, strict=True):
        (point / "file").write_bytes(content)
    taken = pool.take_snapshots(new_group("g", [volume for volume, _ in mounted]))
    for (_, point), snapshot, content in zip(mounted, taken, contents, strict=True):
        (point / "file").write_bytes(b"later")
        clone = clone_of(pool, snapshot)
        with pools.mounted(pool, clone) as seen:
            found = hashlib.sha256((seen / "file").read_bytes()).hexdigest()
        assert found == hashlib.sha256(content).hexdigest()


def test_a_cut_that_fails_lets_writers_go_on_and_leaves_nothing(
    pools: ZfsPools, pool: ZfsPool, mounted: Mounted
) -> None:
    there = pools.names()
    with Writer.at_work([point / "number" for _, point in mounted]) as writer:
        for place in ("zfs.cut.frozen", "zfs.cut.cut", "zfs.cut.thawed"):
            with failing(place, Damaged("as the test wants it")), pytest.raises(Damaged):
                pool.take_snapshots(new_group("g", [volume for volume, _ in mounted]))
            assert writer.goes_on_within(3)
            assert list(pool.snapshots()) == []
            assert pools.names() == there


def test_a_cut_that_takes_longer_than_writers_may_wait_is_thrown_away(
    pools: ZfsPools, pool: ZfsPool, mounted: Mounted
) -> None:
    there = pools.names()
    with Writer.at_work([point / "number" for _, point in mounted]) as writer:
        with visiting("zfs.cut.frozen", lambda: time.sleep(2.5)), pytest.raises(Busy, match="try again"):
            pool.take_snapshots(new_group("g", [volume for volume, _ in mounted]))
        assert writer.goes_on_within(3)
    assert list(pool.snapshots()) == []
    assert pools.names() == there


CUTTER = """
import sys
from pathlib import Path
from rokcsi.model.ids import VolumeId
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.pools.zfs import ZfsPool
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable
pool = ZfsPool.open(sys.argv[1], freezer=Freezer(MountTable()))
pool.take_snapshots([NewSnapshot("s", VolumeId(sys.argv[2]))])
"""


@pytest.mark.parametrize("place", ["zfs.cut.prepared", "zfs.cut.frozen", "zfs.cut.cut", "zfs.cut.thawed"])
def test_a_driver_killed_in_the_window_lets_writers_go_without_a_restart(
    pools: ZfsPools, pool: ZfsPool, mounted: Mounted, place: str
) -> None:
    volume, point = mounted[0]
    with Writer.at_work([point / "number"]) as writer:
        pool.close()
        words = [sys.executable, "-c", CUTTER, pools.dataset, volume.id]
        killed = subprocess.run(words, env={**os.environ, "ROKCSI_FAILPOINT": place}, check=False, timeout=120)
        assert killed.returncode == -signal.SIGKILL
        assert writer.goes_on_within(3)
    again = pools.open()
    cut_before = len(again.snapshots())
    assert cut_before == (1 if place in {"zfs.cut.cut", "zfs.cut.thawed"} else 0)
    if not cut_before:
        again.take_snapshots([NewSnapshot("s", volume.id)])
    again.delete_snapshots([NewSnapshot("s", volume.id).id])
    assert len(pools.names()) == len(mounted)
    again.close()


def test_what_a_crash_left_frozen_is_thawed_when_the_pool_is_opened(
    pools: ZfsPools, pool: ZfsPool, mounted: Mounted
) -> None:
    _, point = mounted[0]
    subprocess.run(["fsfreeze", "-f", str(point)], check=True, timeout=30)
    again = pools.reopen(pool)
    (point / "file").write_bytes(b"goes on")
    os.sync()
    again.close()


def test_a_volume_that_is_not_mounted_is_as_good_as_frozen(pools: ZfsPools, pool: ZfsPool) -> None:
    volume = pools.formatted(pool, "a", "xfs")
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    assert (snapshot.consistency, snapshot.freeze_window_seconds) == (Consistency.FROZEN, 0.0)


def test_a_volume_that_is_mounted_where_nobody_sees_it_is_cut_as_by_a_power_cut(pools: ZfsPools, pool: ZfsPool) -> None:
    volume = pools.formatted(pool, "a", "ext4")
    device = pool.attach(volume.id)
    script = f"mount {device} /mnt && echo mounted && read line"
    elsewhere = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert elsewhere.stdout is not None
    assert elsewhere.stdout.readline() == b"mounted\n"
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    elsewhere.communicate(b"\n", timeout=30)
    assert snapshot.consistency is Consistency.CRASH


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_file_systems_grow_with_their_volume_while_mounted(pools: ZfsPools, pool: ZfsPool, filesystem: str) -> None:
    volume = pools.formatted(pool, "a", filesystem)
    grow = {"xfs": "xfs_growfs", "ext4": "resize2fs"}[filesystem]
    with pools.mounted(pool, volume) as point:
        before = os.statvfs(point)
        grown = pool.grow_volume(volume.id, type(volume.size)(2 * volume.size))
        subprocess.run(
            [grow, str(point) if filesystem == "xfs" else str(pool.attach(volume.id))], check=True, timeout=60
        )
        after = os.statvfs(point)
    assert grown.size == 2 * volume.size
    assert after.f_blocks > 1.8 * before.f_blocks


def settled(device: Path) -> None:
    """Let udev do what it does when a device has changed, and open it once more."""
    subprocess.run(["udevadm", "settle"], check=True, timeout=60)
    device.open("rb").close()


def test_files_that_were_written_a_moment_ago_are_whole_after_their_volume_has_grown(
    pools: ZfsPools, pool: ZfsPool, mounted: Mounted
) -> None:
    content = os.urandom(MIB)
    for volume, point in mounted:
        (point / "deep").mkdir()
        for number in range(20):
            (point / "deep" / f"file-{number}").write_bytes(content)
        pool.grow_volume(volume.id, type(volume.size)(2 * volume.size))
        settled(pool.attach(volume.id))
        assert [file.read_bytes() == content for file in (point / "deep").iterdir()] == [True] * 20


def test_files_of_a_volume_that_is_mounted_where_nobody_sees_it_are_whole_too(pools: ZfsPools, pool: ZfsPool) -> None:
    volume = pools.formatted(pool, "a", "xfs")
    device = pool.attach(volume.id)
    fill = "head -c 4000 /dev/zero | tr '\\0' x >/mnt/file"
    script = f"mount -o nouuid {device} /mnt && {fill} && echo written && read line; wc -c </mnt/file; umount /mnt"
    elsewhere = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert elsewhere.stdout is not None
    assert elsewhere.stdout.readline() == b"written\n"
    pool.grow_volume(volume.id, type(volume.size)(2 * volume.size))
    settled(device)
    counted, _ = elsewhere.communicate(b"\n", timeout=30)
    assert counted.strip() == b"4000"
