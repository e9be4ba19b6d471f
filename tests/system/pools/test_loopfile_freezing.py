"""The freeze window of the loop-file pool: what is in a cut, how long writers wait, and who lets them go."""

from __future__ import annotations

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
from rokcsi.model.ids import VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, GroupMembership, NewSnapshot
from rokcsi.model.volume import NewVolume, VolumeSource
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system.failpoints import failing, visiting
from rokcsi.system.freezing import Freezer
from rokcsi.system.watchdog import Watchdog
from tests.fakes.loop_disks import run
from tests.fakes.loop_file_pools import LoopFilePools
from tests.fakes.writer import Writer

pytestmark = pytest.mark.system

SIZE = Bytes(300 << 20)


Mounted = tuple[VolumeId, Path]


@pytest.fixture
def mounted(pools: LoopFilePools, pool: LoopFilePool) -> Iterator[list[Mounted]]:
    """Four mounted volumes: three XFS, one ext4."""
    with ExitStack() as stack:
        found = []
        for name, filesystem in (("a", "xfs"), ("b", "ext4"), ("c", "xfs"), ("d", "xfs")):
            id_ = pool.create_volume(NewVolume(name, SIZE, filesystem)).id
            found.append((id_, stack.enter_context(pools.mounted(pool, pool.attach(id_), name, filesystem))))
        yield found


def number_in(pools: LoopFilePools, pool: LoopFilePool, snapshot: str, volume: VolumeId) -> int:
    """Read what a writer had written when a snapshot was cut, from a clone of it."""
    new = NewSnapshot(snapshot, volume)
    filesystem = pool.snapshot(new.id).filesystem
    source = VolumeSource(snapshot=new.id)
    clone = pool.clone_snapshot(new.id, NewVolume(f"clone of {snapshot}", SIZE, filesystem, source))
    with pools.mounted(pool, pool.attach(clone.id), f"seen-{clone.id}", filesystem or "") as point:
        number = int((point / "number").read_bytes())
    pool.delete_volume(clone.id)
    return number


def test_a_group_is_cut_at_one_instant_while_all_its_volumes_are_written(
    pools: LoopFilePools, pool: LoopFilePool, mounted: list[Mounted]
) -> None:
    with Writer.at_work([point / "number" for _, point in mounted]) as writer:
        for cut in range(5):
            group = GroupMembership.of_name(f"group {cut}", len(mounted))
            news = [NewSnapshot(f"{cut}-{index}", id_, group) for index, (id_, _) in enumerate(mounted)]
            before = writer.rounds
            taken = pool.take_snapshots(news)
            assert {it.consistency for it in taken} == {Consistency.FROZEN}
            assert len({it.freeze_window_seconds for it in taken}) == 1
            assert 0 < taken[0].freeze_window_seconds < pools.freezer._watchdog.limit_seconds
            assert writer.goes_on_within(3)
            numbers = [number_in(pools, pool, new.name, new.volume) for new in news]
            # The writer goes from the first volume to the last: at any instant the earlier ones are at most one ahead.
            assert numbers == sorted(numbers, reverse=True)
            assert numbers[0] - numbers[-1] <= 1
            assert numbers[0] >= before - 1


def test_a_raw_device_and_file_systems_are_cut_at_one_instant(
    pools: LoopFilePools, pool: LoopFilePool, mounted: list[Mounted]
) -> None:
    raw = pool.create_volume(NewVolume("raw", Bytes(4096), None)).id
    device = pool.attach(raw)
    news = [*(NewSnapshot(str(id_), id_) for id_, _ in mounted), NewSnapshot("raw", raw)]
    with device.open("r+b", buffering=0) as written, Writer.at_work([mounted[0][1] / "number"]) as writer:

        def write_what_the_file_system_has() -> None:
            # Whoever sees that the file system goes on writes it to the raw device: that must miss the cut.
            if writer.goes_on_within(0.5):
                written.write(b"later")
                os.fsync(written.fileno())

        # The last visit is the last cut's, whichever the crew takes last.
        with visiting("loopfile.cut.frozen", write_what_the_file_system_has, visit=len(news)):
            pool.take_snapshots(news)
    cut = pool._disk.snapshot(NewSnapshot("raw", raw).id)
    assert b"later" not in cut.read_bytes()


def test_a_volume_that_is_mounted_while_it_is_cut_as_an_idle_one_is_not_cut(
    pools: LoopFilePools, pool: LoopFilePool
) -> None:
    id_ = pool.create_volume(NewVolume("idle", SIZE, "xfs")).id
    device = pool.attach(id_)
    with ExitStack() as stack:

        def mount_it() -> None:
            stack.enter_context(pools.mounted(pool, device, "point"))

        with visiting("loopfile.cut.prepared", mount_it), pytest.raises(Busy, match="mounted while"):
            pool.take_snapshots([NewSnapshot("s", id_)])
    assert list(pool.snapshots()) == []
    assert list(pool._disk.snapshots.iterdir()) == []
    pool.take_snapshots([NewSnapshot("s", id_)])


@pytest.mark.parametrize("name", ["loopfile.cut.frozen", "loopfile.cut.copied"])
def test_writers_go_on_within_three_seconds_when_the_driver_is_killed_in_the_window(
    pools: LoopFilePools, pool: LoopFilePool, mounted: list[Mounted], name: str
) -> None:
    pool._folder.release()
    program = f"""
from pathlib import Path
from rokcsi.model.ids import VolumeId
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable
pool = LoopFilePool.open(Path({str(pools.place)!r}), freezer=Freezer(MountTable()))
pool.take_snapshots([NewSnapshot(id, VolumeId(id)) for id in {[str(id_) for id_, _ in mounted]!r}])
"""
    with Writer.at_work([point / "number" for _, point in mounted]) as writer:
        driver = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "ROKCSI_FAILPOINT": name}, timeout=60, check=False
        )
        assert driver.returncode == -signal.SIGKILL
        assert writer.goes_on_within(3)
    again = pools.open()
    assert list(again.snapshots()) == []
    assert list(again._disk.snapshots.iterdir()) == []


def test_a_cut_whose_window_the_watchdog_has_ended_is_thrown_away(
    pools: LoopFilePools, pool: LoopFilePool, mounted: list[Mounted]
) -> None:
    pools.freezer._watchdog.limit_seconds = 0.3
    news = [NewSnapshot(str(id_), id_) for id_, _ in mounted]
    with Writer.at_work([point / "number" for _, point in mounted]) as writer:
        with visiting("loopfile.cut.frozen", lambda: time.sleep(1)), pytest.raises(Busy, match="thrown away"):
            pool.take_snapshots(news)
        assert writer.goes_on_within(3)
        pools.freezer._watchdog.limit_seconds = 2.0
        assert list(pool.snapshots()) == []
        assert list(pool._disk.snapshots.iterdir()) == []
    pools.freezer._watchdog.close()
    pool.take_snapshots(news)


def test_a_failure_in_the_window_lets_the_writers_go_at_once_and_leaves_nothing(
    pool: LoopFilePool, mounted: list[Mounted]
) -> None:
    news = [NewSnapshot(str(id_), id_) for id_, _ in mounted]
    with Writer.at_work([point / "number" for _, point in mounted]) as writer:
        for name in ("loopfile.cut.frozen", "loopfile.cut.copied", "loopfile.cut.thawed", "loopfile.cut.named"):
            for visit in (1, 4) if name != "loopfile.cut.thawed" else (1,):
                with failing(name, Damaged("as the test wants it"), visit=visit), pytest.raises(Damaged):
                    pool.take_snapshots(news)
                assert writer.goes_on_within(1.5)
                assert list(pool._disk.snapshots.iterdir()) == []
    assert list(pool.snapshots()) == []


def test_a_file_system_somebody_else_has_frozen_is_left_frozen_and_the_others_go_on(
    pool: LoopFilePool, mounted: list[Mounted]
) -> None:
    (_, theirs), *others = mounted
    run("fsfreeze", "--freeze", theirs)
    try:
        with Writer.at_work([point / "number" for _, point in others]) as writer:
            with pytest.raises(Busy, match="frozen"):
                pool.take_snapshots([NewSnapshot(str(id_), id_) for id_, _ in mounted])
            assert writer.goes_on_within(1.5)
    finally:
        run("fsfreeze", "--unfreeze", theirs)  # fails when it is not frozen any more
    assert list(pool.snapshots()) == []


def test_what_a_dead_driver_has_left_frozen_is_thawed_when_the_pool_is_opened(
    pools: LoopFilePools, pool: LoopFilePool, mounted: list[Mounted]
) -> None:
    files = [point / "number" for _, point in mounted]
    with Writer.at_work(files) as writer:
        for _, point in mounted:
            run("fsfreeze", "--freeze", point)
        assert not writer.goes_on_within(0.2)
        pools.reopen(pool)
        assert writer.goes_on_within(3)


class WrongPoints:
    """Says that every device is mounted at one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def point_of(self, device: int) -> Path | None:
        return self._folder


def test_a_wrong_file_system_is_never_frozen(pools: LoopFilePools, pool: LoopFilePool, mounted: list[Mounted]) -> None:
    (id_, _), (_, other), *_ = mounted
    freezer = Freezer(WrongPoints(other), watchdog=Watchdog(0.5))
    pool._folder.release()
    wrong = LoopFilePool.open(pools.place, freezer=freezer)
    with Writer.at_work([other / "number"]) as writer:
        with pytest.raises(Busy, match="another file system"):
            wrong.take_snapshots([NewSnapshot("s", id_)])
        assert writer.goes_on_within(0.4)
    freezer.close()


def test_a_watchdog_that_was_killed_is_replaced_before_the_next_freeze(
    pools: LoopFilePools, pool: LoopFilePool, mounted: list[Mounted]
) -> None:
    id_ = mounted[0][0]
    pool.take_snapshots([NewSnapshot("1", id_)])
    first = pools.freezer._watchdog.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    pools.freezer._watchdog._process.wait(10)  # type: ignore[union-attr]  # it is running: its pid was just there
    pool.take_snapshots([NewSnapshot("2", id_)])
    assert pools.freezer._watchdog.pid not in {None, first}


def test_a_fragmented_volume_is_copied_ahead_and_its_snapshot_is_exact(
    pools: LoopFilePools, pool: LoopFilePool, mounted: list[Mounted]
) -> None:
    id_, point = mounted[0]
    with (point / "aged").open("wb", buffering=0) as aged:
        for place in range(0, 24 << 20, 16 << 10):
            os.pwrite(aged.fileno(), os.urandom(4096), place)
            if place % (1 << 20) == 0:
                os.fsync(aged.fileno())
        os.fsync(aged.fileno())
        # Every second block once more, so that the pool's file has many extents.
        pool.take_snapshots([NewSnapshot("earlier", id_)])
        for place in range(0, 24 << 20, 32 << 10):
            os.pwrite(aged.fileno(), os.urandom(4096), place)
            os.fdatasync(aged.fileno())
    assert pool.footprint(id_).extents > 256
    expected = run("sha256sum", point / "aged").split()[0]
    with Writer.at_work([point / "number"]):
        pool.take_snapshots([NewSnapshot("s", id_)])
    new = NewSnapshot("s", id_)
    clone = pool.clone_snapshot(new.id, NewVolume("clone", SIZE, "xfs", VolumeSource(snapshot=new.id)))
    with pools.mounted(pool, pool.attach(clone.id), "clone") as copy:
        assert run("sha256sum", copy / "aged").split()[0] == expected
    run("xfs_repair", "-n", pool.attach(clone.id))
