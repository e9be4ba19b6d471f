"""What the lvm-direct pool costs: one flush a change, no process, and a window that is over at once."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import GroupMembership, NewSnapshot
from rokcsi.model.volume import NewVolume
from rokcsi.pools.lvm_direct import LvmDirectPool
from rokcsi.system.direct_device import DirectDevice
from tests.fakes.lvm_direct_pools import LvmDirectPools
from tests.fakes.thin_pools import thin_pool_on_a_disk
from tests.fakes.writer import Writer

pytestmark = pytest.mark.lab

SIZE = Bytes(16 << 20)
A_WHILE_SECONDS = 0.5


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[LvmDirectPool]:
    with thin_pool_on_a_disk(tmp_path, 256) as thin:
        pools = LvmDirectPools(thin.group, thin.thin_pool)
        yield pools.open()
        pools.kill()


class Counted:
    """How often the journal was flushed and a program started."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.flushes = self.processes = 0
        flush, start = DirectDevice.flush, subprocess.Popen.__init__

        def flushed(device: DirectDevice) -> None:
            self.flushes += 1
            flush(device)

        def started(process: object, *arguments: object, **options: object) -> None:
            self.processes += 1
            start(process, *arguments, **options)  # type: ignore[call-overload]  # handed on as it came

        patch.setattr(DirectDevice, "flush", flushed)
        patch.setattr(subprocess.Popen, "__init__", started)

    def take(self) -> tuple[int, int]:
        """Give the flushes and the processes since the last time."""
        counted = (self.flushes, self.processes)
        self.flushes = self.processes = 0
        return counted


def test_every_change_has_one_flush_and_starts_no_process(pool: LvmDirectPool, monkeypatch: pytest.MonkeyPatch) -> None:
    volume, clone, cut = VolumeId.of_name("v"), VolumeId.of_name("c"), SnapshotId.of_name("s")
    pool.create_volume(NewVolume("the first, which leases numbers", SIZE, None))
    pool.create_volume(NewVolume("v", SIZE, None))
    pool.attach(volume)
    pool.take_snapshots([NewSnapshot("the first, which starts the watchdog", volume)])
    counted = Counted(monkeypatch)
    for change in (
        lambda: pool.create_volume(NewVolume("w", SIZE, None)),
        lambda: pool.take_snapshots([NewSnapshot("s", volume)]),
        lambda: pool.clone_snapshot(cut, NewVolume("c", Bytes(2 * SIZE), None)),
        lambda: pool.take_snapshots(
            [NewSnapshot(f"g{it}", it, GroupMembership.of_name("g", 2)) for it in (volume, clone)]
        ),
        lambda: pool.grow_volume(volume, Bytes(2 * SIZE)),
        lambda: pool.label_volume(volume, {"a": "b"}),
        lambda: pool.delete_snapshots([SnapshotId.of_name(f"g{it}") for it in (volume, clone)]),
        lambda: pool.delete_volume(clone),
    ):
        change()
        assert counted.take() == (1, 0)
    for question in (
        lambda: pool.attach(volume),
        pool.capacity,
        lambda: pool.footprint(volume),
        lambda: pool.detach(volume),
    ):
        question()
        assert counted.take() == (0, 0)


def test_eight_written_volumes_are_cut_in_a_window_of_milliseconds(
    pool: LvmDirectPool, record_property: Callable[[str, object], None]
) -> None:
    volumes = [pool.create_volume(NewVolume(f"v{number}", SIZE, None)).id for number in range(8)]
    nodes = [pool.attach(volume) for volume in volumes]
    windows = []
    with ExitStack() as stack:
        stack.enter_context(Writer.at_work(nodes))
        for cut in range(10):
            group = GroupMembership.of_name(f"g{cut}", len(volumes))
            taken = pool.take_snapshots([NewSnapshot(f"{cut}/{it}", it, group) for it in volumes])
            windows.append(taken[0].freeze_window_seconds)
    record_property("windows", " ".join(f"{window * 1e3:.2f} ms" for window in windows))
    assert statistics.median(windows) < A_WHILE_SECONDS
