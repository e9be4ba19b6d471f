"""Real devices suspended and let go: all at one instant, and by the watchdog when their driver dies or takes too long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rokcsi.model.errors import Busy, Damaged
from rokcsi.system.ioctls import freeze_filesystem, thaw_filesystem
from rokcsi.system.mounts import MountTable, mount
from rokcsi.system.suspending import Suspender, resume_left_suspended
from rokcsi.system.watchdog import SuspendedDevice, Watchdog
from tests.fakes.loop_disks import loop_disks
from tests.fakes.mapped_devices import MappedDevices, mapped_devices
from tests.fakes.writer import Writer

pytestmark = pytest.mark.lab

_DIES_IN_THE_WINDOW = """
import sys, time
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.mounts import MountTable
from rokcsi.system.suspending import Suspender
def deed():
    print("suspended", flush=True)
    time.sleep(60)
Suspender(DeviceMapper(), MountTable()).cut(sys.argv[1:], deed, limit_seconds=60)
"""


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[MappedDevices]:
    with loop_disks(tmp_path) as disks, mapped_devices(disks) as devices:
        yield devices


@pytest.fixture
def mounted(devices: MappedDevices, tmp_path: Path) -> list[tuple[str, Path]]:
    """Two mounted file systems on mapped devices: an ext4, and an XFS."""
    found = []
    for word, filesystem, size in (("one", "ext4", 32), ("two", "xfs", 320)):
        device, point = devices.shown(word, devices.disk(size, filesystem)), tmp_path / word
        point.mkdir()
        mount(device.node, point, filesystem)
        found.append((device.name, point))
    return found


@pytest.fixture
def suspender(devices: MappedDevices) -> Iterator[Suspender]:
    suspender = Suspender(devices.mapper, MountTable(), watchdog=Watchdog())
    yield suspender
    suspender.close()


def names(mounted: list[tuple[str, Path]]) -> list[str]:
    return [name for name, _ in mounted]


def files(mounted: list[tuple[str, Path]]) -> list[Path]:
    return [point / "number" for _, point in mounted]


def suspended(devices: MappedDevices, name: str) -> bool:
    device = devices.mapper.look(name)
    assert device is not None
    return device.suspended


def test_all_writers_stand_still_while_the_deed_is_done_and_go_on_after_it(
    suspender: Suspender, mounted: list[tuple[str, Path]]
) -> None:
    with Writer.at_work(files(mounted)) as writer:
        seen: list[int] = []

        def deed() -> None:
            for _ in range(2):
                time.sleep(0.2)  # whose write had ended just before has noted it by then
                seen.append(writer.rounds)

        window = suspender.cut(names(mounted), deed)
        assert writer.goes_on_within(3)
    assert seen[0] == seen[1]
    assert 0.4 <= window < 2.0


def test_a_raw_writer_stands_still_too(suspender: Suspender, devices: MappedDevices) -> None:
    device = devices.shown("raw", devices.disk())
    with Writer.at_work([device.node]) as writer:
        seen: list[int] = []

        def deed() -> None:
            for _ in range(2):
                time.sleep(0.2)  # whose write had ended just before has noted it by then
                seen.append(writer.rounds)

        suspender.cut([device.name], deed)
        assert writer.goes_on_within(3)
    assert seen[0] == seen[1]


def test_what_was_written_before_is_on_the_device_inside_the_window(
    suspender: Suspender, mounted: list[tuple[str, Path]], devices: MappedDevices
) -> None:
    text = os.urandom(1 << 20)
    (name, point), _ = mounted
    (point / "file").write_bytes(text)
    disk = next(iter(devices.disks.devices.values()))
    seen: list[bool] = []
    suspender.cut([name], lambda: seen.append(text[:4096] in disk.read_bytes()), limit_seconds=60)
    assert seen == [True]


def test_all_go_on_when_the_deed_fails(
    suspender: Suspender, mounted: list[tuple[str, Path]], devices: MappedDevices
) -> None:
    def fail() -> None:
        raise Damaged("as the test wants it")

    with pytest.raises(Damaged, match="as the test"):
        suspender.cut(names(mounted), fail)
    assert not any(suspended(devices, name) for name in names(mounted))


def test_all_go_on_whether_or_not_the_kernel_suspends_what_is_frozen_already(
    suspender: Suspender, mounted: list[tuple[str, Path]], devices: MappedDevices
) -> None:
    """Linux 6.1 refuses that; 7.2 counts a program's freeze and its own apart."""
    (one, _), (two, point) = mounted
    fd = os.open(point, os.O_RDONLY)
    freeze_filesystem(fd)
    try:
        with suppress(Busy):
            suspender.cut([one, two], lambda: None)
        assert not suspended(devices, one)
        assert not suspended(devices, two)
    finally:
        thaw_filesystem(fd)
        os.close(fd)


def test_a_device_that_somebody_else_has_suspended_is_left_alone(
    suspender: Suspender, mounted: list[tuple[str, Path]], devices: MappedDevices
) -> None:
    devices.mapper.suspend(mounted[0][0])
    with pytest.raises(Busy, match="somebody else has suspended"):
        suspender.cut(names(mounted), lambda: None)
    assert suspended(devices, mounted[0][0])


def test_a_device_that_is_not_there_is_said_to_be_gone(suspender: Suspender) -> None:
    with pytest.raises(Busy, match="went away"):
        suspender.cut(["no-such-device"], lambda: None)


def test_a_window_longer_than_its_limit_is_ended_by_the_watchdog_and_broken(
    suspender: Suspender, mounted: list[tuple[str, Path]]
) -> None:
    with Writer.at_work(files(mounted)) as writer:
        went_on: list[bool] = []
        with pytest.raises(Busy, match="thrown away"):
            suspender.cut(names(mounted), lambda: went_on.append(writer.goes_on_within(3)), limit_seconds=0.5)
    assert went_on == [True]


def test_a_window_may_have_a_longer_limit(suspender: Suspender, mounted: list[tuple[str, Path]]) -> None:
    window = suspender.cut(names(mounted), lambda: time.sleep(2.5), limit_seconds=30)
    assert window >= 2.5


def test_a_window_that_somebody_else_ended_is_broken_unless_the_deed_was_to_end_it(
    suspender: Suspender, mounted: list[tuple[str, Path]], devices: MappedDevices
) -> None:
    def resume() -> None:
        devices.mapper.resume(mounted[0][0])

    with pytest.raises(Busy, match="thrown away"):
        suspender.cut(names(mounted), resume)


def test_the_writers_of_a_driver_killed_in_its_window_go_on_within_three_seconds(
    mounted: list[tuple[str, Path]],
) -> None:
    with Writer.at_work(files(mounted)) as writer:
        driver = subprocess.Popen(
            [sys.executable, "-c", _DIES_IN_THE_WINDOW, *names(mounted)], stdout=subprocess.PIPE, text=True
        )
        assert driver.stdout is not None
        assert driver.stdout.readline() == "suspended\n"
        assert not writer.goes_on_within(0.5)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait(10)
        assert writer.goes_on_within(3)


def test_one_that_is_suspended_only_after_the_driver_died_is_resumed_too(
    mounted: list[tuple[str, Path]], devices: MappedDevices
) -> None:
    (name, _), _ = mounted
    watchdog = Watchdog(60)
    watchdog.arm([SuspendedDevice(name)])
    threading.Timer(0.5, lambda: devices.mapper.suspend(name)).start()
    watchdog.close()
    assert not suspended(devices, name)


def test_starting_resumes_what_a_driver_before_has_left_suspended(
    mounted: list[tuple[str, Path]], devices: MappedDevices
) -> None:
    (one, _), (two, _) = mounted
    devices.mapper.suspend(one)
    assert resume_left_suspended(devices.mapper, [one, two, "no-such-device"]) == [one]
    assert not suspended(devices, one)
