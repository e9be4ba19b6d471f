"""Real file systems frozen and let go: by the watchdog however late they were frozen, and at one instant with raw devices."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.errors import Busy, Damaged
from rokcsi.system.freezing import Freezer, FrozenCut
from rokcsi.system.ioctls import freeze_filesystem, thaw_filesystem
from rokcsi.system.mounts import MountTable, mount
from rokcsi.system.watchdog import FrozenPoint, Watchdog
from tests.fakes.loop_disks import LoopDisks, loop_disks

pytestmark = pytest.mark.system

MIB = 1 << 20


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[LoopDisks]:
    with loop_disks(tmp_path) as disks:
        yield disks


@pytest.fixture
def points(disks: LoopDisks) -> Iterator[list[Path]]:
    """Give two mounted file systems, thawed afterwards whatever happens."""
    found = []
    for name in ("one", "two"):
        device, point = disks.disk(f"{name}.disk", 32 * MIB, "ext4"), disks.folder / name
        point.mkdir()
        mount(device, point, "ext4")
        found.append(point)
    yield found
    for point in found:
        is_frozen(point)


def is_frozen(point: Path) -> bool:
    """Tell whether a file system was frozen; it is thawed by that."""
    fd = os.open(point, os.O_RDONLY)
    try:
        thaw_filesystem(fd)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    else:
        return True
    finally:
        os.close(fd)


def freeze(point: Path) -> None:
    fd = os.open(point, os.O_RDONLY)
    try:
        freeze_filesystem(fd)
    finally:
        os.close(fd)


def test_a_file_system_that_took_longer_to_freeze_than_the_limit_is_thawed_all_the_same(points: list[Path]) -> None:
    watchdog = Watchdog(0.2)
    watchdog.arm([FrozenPoint(point.stat().st_dev, point) for point in points])
    time.sleep(0.6)  # the limit has passed while FIFREEZE was writing out what is dirty
    freeze(points[0])
    time.sleep(1)
    assert not is_frozen(points[0])
    watchdog.close()


def test_one_that_is_frozen_only_after_the_driver_died_is_thawed_too(points: list[Path]) -> None:
    watchdog = Watchdog(60)
    watchdog.arm([FrozenPoint(points[0].stat().st_dev, points[0])])
    process = watchdog._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    time.sleep(0.5)
    freeze(points[0])
    assert process.wait(10) == 0
    assert not is_frozen(points[0])


def cuts(points: list[Path], freezer: Freezer, raw_cut: threading.Event, seen: list[bool]) -> list[FrozenCut]:
    """Give a cut for each file system that notes whether the raw one came before it; the raw one, which is slow, is last."""

    def cut_raw() -> None:
        time.sleep(0.3)
        raw_cut.set()

    return [
        *(FrozenCut(lambda: seen.append(raw_cut.is_set()), point, point.stat().st_dev) for point in points),
        FrozenCut(cut_raw),
    ]


def test_no_file_system_is_thawed_before_what_cannot_be_frozen_is_cut(points: list[Path]) -> None:
    freezer, raw_cut, seen = Freezer(MountTable()), threading.Event(), list[bool]()
    window = freezer.cut(cuts(points, freezer, raw_cut, seen))
    assert seen == [True, True]
    assert window >= 0.3
    assert not any(is_frozen(point) for point in points)
    freezer.close()


def test_all_are_thawed_when_what_cannot_be_frozen_fails(points: list[Path]) -> None:
    freezer, seen = Freezer(MountTable()), list[bool]()

    def fail() -> None:
        raise Damaged("as the test wants it")

    *frozen, _ = cuts(points, freezer, threading.Event(), seen)
    with pytest.raises(Damaged, match="as the test"):
        freezer.cut([FrozenCut(fail), *frozen])
    assert seen == []
    assert not any(is_frozen(point) for point in points)
    freezer.close()


def frozen_points(points: list[Path]) -> list[FrozenPoint]:
    return [FrozenPoint(point.stat().st_dev, point) for point in points]


def cannot_be_frozen(point: Path) -> bool:
    """Tell whether it is frozen already, without changing that."""
    try:
        freeze(point)
    except OSError as error:
        return error.errno == errno.EBUSY
    is_frozen(point)
    return False


def test_one_deed_is_done_while_all_are_frozen_and_all_are_thawed_after_it(points: list[Path]) -> None:
    freezer, seen = Freezer(MountTable()), list[bool]()
    freezer.cut_together(frozen_points(points), lambda: seen.extend(cannot_be_frozen(point) for point in points))
    assert seen == [True, True]
    assert not any(is_frozen(point) for point in points)
    freezer.close()


def test_all_are_thawed_when_the_one_deed_fails_and_nothing_is_frozen_for_a_deed_without_file_systems(
    points: list[Path],
) -> None:
    freezer, done = Freezer(MountTable()), list[str]()

    def fail() -> None:
        raise Damaged("as the test wants it")

    with pytest.raises(Damaged, match="as the test"):
        freezer.cut_together(frozen_points(points), fail)
    assert not any(is_frozen(point) for point in points)
    assert freezer.cut_together([], lambda: done.append("done")) == 0.0
    assert done == ["done"]
    freezer.close()


def test_one_deed_that_takes_longer_than_its_limit_is_a_broken_window(points: list[Path]) -> None:
    freezer = Freezer(MountTable())
    with pytest.raises(Busy, match="try again"):
        freezer.cut_together(frozen_points(points), lambda: time.sleep(0.6), limit_seconds=0.2)
    assert not any(is_frozen(point) for point in points)
    freezer.close()
