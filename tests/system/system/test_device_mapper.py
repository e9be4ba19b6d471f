"""The kernel's real device mapper, over loop devices."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.errors import StillInUse
from rokcsi.system.device_mapper import DeviceMapper, DeviceMapperRefused
from rokcsi.system.dm_ioctl import Target
from tests.fakes.loop_disks import loop_disks
from tests.fakes.mapped_devices import MappedDevices, linear, mapped_devices
from tests.fakes.patience import eventually

pytestmark = pytest.mark.lab

MIB = 1 << 20


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[MappedDevices]:
    with loop_disks(tmp_path) as disks, mapped_devices(disks) as devices:
        yield devices


@pytest.fixture
def mapper() -> Iterator[DeviceMapper]:
    mapper = DeviceMapper()
    yield mapper
    mapper.close()


def test_the_kernel_tells_its_version(mapper: DeviceMapper) -> None:
    assert mapper.version() >= (4, 0, 0)


def test_a_device_is_made_seen_and_removed(mapper: DeviceMapper, devices: MappedDevices) -> None:
    disk = devices.disk()
    table = [linear(disk, 0, 8192), Target(8192, 8192, "zero", "")]
    made = devices.made("one", table)
    assert (made.name, made.uuid, made.live, made.suspended) == (devices.name("one"), devices.uuid("one"), True, False)
    assert made.node.stat().st_rdev == made.device
    assert made.node.open("rb").seek(0, os.SEEK_END) == 8 * MIB
    assert mapper.look(made.name) == mapper.look_at(made.device) == made
    assert [(it.name, it.device, it.uuid) for it in mapper.devices(made.name)] == [(made.name, made.device, made.uuid)]
    assert mapper.table(made.name) == table
    assert [target.kind for target in mapper.status(made.name)] == ["linear", "zero"]
    assert mapper.dependencies(made.name) == [disk.stat().st_rdev]
    mapper.remove(made.name)
    assert (mapper.look(made.name), mapper.look_at(made.device), mapper.devices(made.name)) == (None, None, [])


def test_nothing_is_left_of_a_device_whose_table_is_refused(mapper: DeviceMapper, devices: MappedDevices) -> None:
    with pytest.raises(DeviceMapperRefused) as refused:
        devices.made("one", [Target(0, 8, "no-such-kind", "")])
    assert refused.value.code == errno.EINVAL
    assert mapper.look(devices.name("one")) is None


def test_what_is_not_there_or_there_already_is_refused_with_the_kernels_reason(
    mapper: DeviceMapper, devices: MappedDevices
) -> None:
    made = devices.made("one", [Target(0, 8, "zero", "")])
    for asking, code in (
        (lambda: mapper.create(made.name), errno.EBUSY),
        (lambda: mapper.create("another-name", made.uuid), errno.EBUSY),
        (lambda: mapper.remove("no-such-device"), errno.ENXIO),
        (lambda: mapper.status("no-such-device"), errno.ENXIO),
        (lambda: mapper.message(made.name, "hello"), errno.EINVAL),
    ):
        with pytest.raises(DeviceMapperRefused) as refused:
            asking()
        assert refused.value.code == code


def test_a_device_that_is_held_is_not_removed_and_may_vanish_when_it_is_let_go(
    mapper: DeviceMapper, devices: MappedDevices
) -> None:
    made = devices.made("one", [Target(0, 8, "zero", "")])
    with made.node.open("rb"):
        with pytest.raises(StillInUse):
            mapper.remove(made.name)
        held = mapper.look(made.name)
        assert held is not None
        assert held.open_count == 1
        mapper.remove(made.name, when_closed=True)
        assert mapper.look(made.name) is not None
    eventually(lambda: mapper.look(made.name) is None)  # a worker of the kernel's does it, when it comes to it


def test_a_device_is_renamed_while_it_is_held(mapper: DeviceMapper, devices: MappedDevices) -> None:
    made = devices.made("one", [Target(0, 8, "zero", "")])
    with made.node.open("rb"):
        mapper.rename(made.name, devices.name("two"))
    renamed = mapper.look(devices.name("two"))
    assert renamed is not None
    assert (renamed.device, mapper.look(made.name)) == (made.device, None)


def test_a_table_waits_for_the_next_resume_unless_it_is_cleared(mapper: DeviceMapper, devices: MappedDevices) -> None:
    made = devices.made("one", [Target(0, 8, "zero", "")])
    mapper.load(made.name, [Target(0, 16, "zero", "")])
    waiting = mapper.look(made.name)
    assert waiting is not None
    assert waiting.waiting
    mapper.clear(made.name)
    mapper.resume(made.name)
    assert mapper.table(made.name) == [Target(0, 8, "zero", "")]
    mapper.load(made.name, [Target(0, 16, "zero", "")])
    mapper.resume(made.name)
    assert mapper.table(made.name) == [Target(0, 16, "zero", "")]


def test_a_suspended_device_says_so_and_suspending_or_resuming_again_is_no_error(
    mapper: DeviceMapper, devices: MappedDevices
) -> None:
    made = devices.made("one", [linear(devices.disk(), 0, 8192)])
    for ask, suspended in (
        (mapper.suspend, True),
        (mapper.suspend, True),
        (mapper.resume, False),
        (mapper.resume, False),
    ):
        ask(made.name)
        seen = mapper.look(made.name)
        assert seen is not None
        assert seen.suspended is suspended


def test_a_long_list_and_a_long_table_are_given_whole(mapper: DeviceMapper, devices: MappedDevices) -> None:
    table = [Target(number * 8, 8, "zero", "") for number in range(2000)]
    made = devices.made("long", table)
    assert mapper.table(made.name) == table
    many = [devices.made(f"{number}-{'x' * 60}", [Target(0, 8, "zero", "")]).name for number in range(200)]
    assert {device.name for device in mapper.devices(devices.name(""))} == {made.name, *many}
