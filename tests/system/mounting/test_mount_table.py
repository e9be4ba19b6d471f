from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.system import mounts
from rokcsi.system.mounts import MountTable
from tests.fakes.loop_disks import LoopDisks, loop_disks, run

pytestmark = pytest.mark.system
MIB = 1 << 20


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[LoopDisks]:
    with loop_disks(tmp_path) as made:
        yield made


@pytest.fixture
def table() -> Iterator[MountTable]:
    made = MountTable()
    yield made
    made.close()


def folder(disks: LoopDisks, name: str) -> Path:
    made = disks.folder / name
    made.mkdir()
    return made


def test_a_mount_by_somebody_else_is_found_with_one_reading(disks: LoopDisks, table: MountTable) -> None:
    device, point = disks.disk("d", 64 * MIB, "ext4"), folder(disks, "with space\tand\\more")
    number = device.stat().st_rdev
    assert table.point_of(number) is None
    before = table.reads
    run("mount", device, point)
    assert table.point_of(number) == point
    assert table.point_of(number) == point
    assert table.reads == before + 1
    found = table.entry(point)
    assert found is not None
    assert (found.filesystem, found.source, found.device, found.readonly) == ("ext4", str(device), number, False)


def test_what_is_mounted_nowhere_is_not_looked_for_again_and_again(table: MountTable) -> None:
    table.point_of(1 << 30)
    before = table.reads
    for _ in range(100):
        assert table.point_of(1 << 30) is None
    assert table.reads == before


def test_an_unmount_by_somebody_else_is_noticed_and_a_bind_found_instead(disks: LoopDisks, table: MountTable) -> None:
    device, first, second = disks.disk("d", 64 * MIB, "ext4"), folder(disks, "first"), folder(disks, "second")
    number = device.stat().st_rdev
    mounts.mount(device, first, "ext4", mounts.MS_NOATIME, "commit=30")
    table.add(number, first)
    mounts.bind(first, second)
    assert table.point_of(number) == first
    mounts.unmount(first)
    assert table.point_of(number) == second
    mounts.unmount(second)
    assert table.point_of(number) is None


def test_a_path_that_shows_another_device_now_is_not_given_out(disks: LoopDisks, table: MountTable) -> None:
    one, two = disks.disk("one", 64 * MIB, "ext4"), disks.disk("two", 64 * MIB, "ext4")
    point = folder(disks, "point")
    mounts.mount(one, point, "ext4")
    table.add(one.stat().st_rdev, point)
    mounts.mount(two, point, "ext4")
    assert table.point_of(one.stat().st_rdev) is None
    assert table.point_of(two.stat().st_rdev) == point


def test_what_the_kernel_refuses_names_both_ends(disks: LoopDisks) -> None:
    device, point = disks.disk("d", 64 * MIB), folder(disks, "point")
    with pytest.raises(OSError, match="Invalid argument") as refused:
        mounts.mount(device, point, "ext4")
    assert (refused.value.errno, refused.value.filename, refused.value.filename2) == (
        errno.EINVAL,
        str(device),
        str(point),
    )
    with pytest.raises(OSError, match="Invalid argument") as refused:
        mounts.unmount(point)
    assert refused.value.errno == errno.EINVAL


def test_the_last_mount_known_is_removed(table: MountTable) -> None:
    table.add(12345, Path("/nowhere"))
    assert 12345 in table.devices()
    table.remove(Path("/nowhere"))
    assert 12345 not in table.devices()
