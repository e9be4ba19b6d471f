"""What the loop-file pool's calls cost, counted by strace: flushes and processes; and start-up with many volumes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume, VolumeSource
from rokcsi.pools.loopfile import LoopFilePool
from tests.fakes.loop_file_pools import LoopFilePools

pytestmark = pytest.mark.system

SIZE = Bytes(300 << 20)
FLUSHES = ("fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "msync")
STARTS = ("fork", "vfork", "clone", "clone3", "execve")
MARK = "/rokcsi-mark-"

PROGRAM = """
import os
from pathlib import Path
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import GroupMembership, NewSnapshot
from rokcsi.model.volume import NewVolume, VolumeSource
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable, mount, unmount

folder, SIZE = Path({place!r}), Bytes({size})
pool = LoopFilePool.open(folder, freezer=Freezer(MountTable()))
source = pool.volumes()[0]
snapshot = NewSnapshot("s", source.id)

def marked(name, call, *arguments):
    os.path.exists("{mark}" + name)
    return call(*arguments)

def cut(name, volumes):
    group = GroupMembership.of_name(name, len(volumes))
    return [NewSnapshot(name + str(id), id, group) for id in volumes]

marked("create", pool.create_volume, NewVolume("new", SIZE, "xfs"))
marked("snapshot", pool.take_snapshots, [snapshot])
clones = [marked("clone", pool.clone_snapshot, snapshot.id, NewVolume(str(n), SIZE, "xfs")) for n in range(3)]
larger = marked("larger", pool.clone_snapshot, snapshot.id, NewVolume("larger", Bytes(2 * SIZE), "xfs"))
devices = [marked("attach", pool.attach, clone.id) for clone in clones]
points = [folder.parent / str(n) for n in range(3)]
os.path.exists("{mark}mount")
for point, device in zip(points, devices):
    point.mkdir()
    mount(device, point, "xfs", 0, "nouuid")
ids = [clone.id for clone in clones]
marked("first-group", pool.take_snapshots, cut("first", ids))
group = marked("group", pool.take_snapshots, cut("second", ids))
marked("delete-snapshots", pool.delete_snapshots, [member.id for member in group])
os.path.exists("{mark}unmount")
for point in points:
    unmount(point)
marked("detach", pool.detach, ids[0])
marked("grow", pool.grow_volume, ids[0], Bytes(2 * SIZE))
marked("label", pool.label_volume, ids[0], {{"a": "b"}})
marked("delete", pool.delete_volume, ids[0])
os.path.exists("{mark}end")
pool.close()
"""


def counted(trace: str, calls: tuple[str, ...]) -> dict[str, int]:
    """Count calls between marks; of a mark that comes several times, the dearest."""
    counts: dict[str, int] = {}
    parts = re.split(rf'"{MARK}([a-z-]+)"', trace)
    # A call that was interrupted by another thread's is printed twice: its end says "resumed".
    begun = re.compile(rf"(?:^|\s)(?:{'|'.join(calls)})\((?!.*resumed>)")
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        started = [line for line in text.splitlines() if begun.search(line) and "CLONE_THREAD" not in line]
        counts[name] = max(counts.get(name, 0), len(started))
    return counts


@pytest.fixture
def trace(pools: LoopFilePools, pool: LoopFilePool, tmp_path: Path) -> str:
    """All flushes and starts of processes of one driver's life."""
    pool.create_volume(NewVolume("source", SIZE, "xfs"))
    pool._folder.release()
    program = PROGRAM.format(place=str(pools.place), size=int(SIZE), mark=MARK)
    seen = ",".join((*FLUSHES, *STARTS, "stat", "newfstatat", "access"))
    log = tmp_path / "trace"
    argv = ["strace", "-f", "-q", "-s", "200", "-e", f"trace={seen}", "-o", str(log), sys.executable, "-c", program]
    subprocess.run(argv, check=True, timeout=120)
    return log.read_text()


def test_every_change_is_durable_by_exactly_one_flush(trace: str) -> None:
    flushes = counted(trace, FLUSHES)
    for change in ("create", "snapshot", "clone", "larger", "grow", "label", "delete-snapshots"):
        assert flushes[change] == 1, change
    assert flushes["attach"] == flushes["detach"] == 0


def test_a_group_flushes_each_file_system_before_the_window_and_all_snapshots_together(trace: str) -> None:
    assert counted(trace, ("syncfs",))["group"] == 3
    assert counted(trace, ("fsync", "fdatasync", "sync"))["group"] == 1


def test_no_process_is_started_but_the_watchdog_once(trace: str) -> None:
    starts = counted(trace, STARTS)
    assert starts.pop("first-group") > 0
    assert set(starts.values()) == {0}, starts


def test_hundreds_of_volumes_are_found_again(pools: LoopFilePools, pool: LoopFilePool) -> None:
    source = pool.create_volume(NewVolume("source", SIZE, "xfs"))
    (snapshot,) = pool.take_snapshots([NewSnapshot("s", source.id)])
    for number in range(300):
        pool.clone_snapshot(snapshot.id, NewVolume(f"{number}", SIZE, "xfs", VolumeSource(snapshot=snapshot.id)))
    before = list(pool.volumes())
    again = pools.reopen(pool)
    assert list(again.volumes()) == before
    assert again.capacity().promised == 302 * SIZE
