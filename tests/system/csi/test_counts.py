"""What a pod's first mount and a checkpoint cost on loop files, counted by strace on the served driver, from socket to answer.

What the other kinds of pools cost is counted in the tests of each.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.said import LABELS
from tests.fakes.loop_file_pools import LoopFilePools
from tests.system.crash.served import ServedDriver
from tests.system.crash.story import MOUNTED, Story

pytestmark = [pytest.mark.system, pytest.mark.embedded]

MIB = 1 << 20
STARTED = ("execve", "fork", "vfork", "clone", "clone3")
FLUSHED = ("fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "msync")
FREEZE, THAW, CUT = "FIFREEZE", "FITHAW", "FICLONE"


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[ServedDriver]:
    served = ServedDriver(tmp_path)
    served.start()
    yield served
    served.stop()
    LoopFilePools(tmp_path).close()


class Strace:
    """Watches all threads of a process for the length of a block."""

    def __init__(self, process: int, file: Path) -> None:
        self.file = file
        self._threads = Path(f"/proc/{process}/task")
        calls = ",".join((*STARTED, *FLUSHED, "ioctl", "mount", "linkat", "sendmsg"))
        self._strace = subprocess.Popen(["strace", "-f", "-q", "-e", f"trace={calls}", "-o", file, "-p", str(process)])

    def __enter__(self) -> Self:
        for _ in range(100):
            statuses = [(task / "status").read_text() for task in self._threads.iterdir()]
            if all(f"TracerPid:\t{self._strace.pid}\n" in status for status in statuses):
                return self
            time.sleep(0.05)
        raise AssertionError(
            "strace did not attach to the driver within five seconds; may this machine trace processes?"
        )

    def __exit__(self, *_: object) -> None:
        self._strace.terminate()
        self._strace.wait(10)

    def lines(self) -> list[str]:
        """Give the begun calls in their order; what is printed twice, because others came between, counts once."""
        return [line for line in self.file.read_text().splitlines() if "resumed>" not in line and "---" not in line]

    def count(self, *calls: str) -> int:
        """Give how often any of these calls was made; a new thread is not a new process."""
        begun = re.compile(rf"^\d+\s+(?:{'|'.join(calls)})\(")
        return sum(1 for line in self.lines() if begun.match(line) and "CLONE_THREAD" not in line)


def process_of(driver: ServedDriver) -> int:
    assert driver._process is not None
    return driver._process.pid


def make(driver: ServedDriver, story: Story, steps: Iterator[tuple[str, Callable[..., object]]]) -> None:
    for name, call in steps:
        story.answers[name] = call(driver.calls)


def snapshot(driver: ServedDriver, story: Story, name: str, volume: str) -> None:
    request = csi.CreateSnapshotRequest(name=name, source_volume_id=story.volume(volume))
    story.answers[name] = driver.calls.controller.CreateSnapshot(request, timeout=30)


def test_from_snapshot_to_pod_no_process_is_started_and_one_flush_is_made(driver: ServedDriver, tmp_path: Path) -> None:
    story = Story(tmp_path)
    make(driver, story, iter([story.create("origin", MOUNTED, 300 * MIB)]))
    snapshot(driver, story, "cut", "origin")
    with Strace(process_of(driver), tmp_path / "trace") as strace:
        make(driver, story, iter([story.create("clone", MOUNTED, 300 * MIB, snapshot="cut")]))
        at_the_answer = strace.count(*FLUSHED)
        make(driver, story, story.mount("clone"))
    assert strace.count("mount") >= 2, "the trace shows no mount: it is not the driver's"
    assert strace.count(*STARTED) == 0
    assert at_the_answer <= strace.count(*FLUSHED) == 1
    make(driver, story, story.unmount("clone"))


def test_a_checkpoint_of_three_mounted_volumes_has_one_freeze_window_around_three_cuts(
    driver: ServedDriver, tmp_path: Path
) -> None:
    story = Story(tmp_path)
    names = ("one", "two", "three")
    for name in names:
        make(driver, story, iter([story.create(name, MOUNTED, 300 * MIB)]))
        make(driver, story, story.mount(name))
    take(driver, story, "first", names)  # the watchdog starts at the first freeze, once
    with Strace(process_of(driver), tmp_path / "trace") as strace:
        take(driver, story, "second", names, labels={"rok/title": "t" * 900, "rok/message": "m" * 900})
    order = [word for line in strace.lines() for word in (FREEZE, THAW, CUT) if "ioctl(" in line and word in line]
    assert order.count(FREEZE) == order.count(THAW) == 3
    window = order[order.index(FREEZE) : len(order) - order[::-1].index(THAW)]
    assert window[:3] == [FREEZE] * 3, "a cut was made before all were frozen"
    assert window.count(CUT) == 3
    assert order.index(THAW) > order.index(CUT)
    assert strace.count(*STARTED) == 0
    assert strace.count("fsync", "fdatasync") == 1
    for name in names:
        make(driver, story, story.unmount(name))


def take(
    driver: ServedDriver, story: Story, name: str, volumes: tuple[str, ...], labels: Mapping[str, str] | None = None
) -> None:
    request = csi.CreateVolumeGroupSnapshotRequest(
        name=name, source_volume_ids=[story.volume(each) for each in volumes]
    )
    beside = ((LABELS, json.dumps({"all": labels or {}, "volumes": {}}).encode()),)
    driver.calls.groups.CreateVolumeGroupSnapshot(request, timeout=30, metadata=beside)
