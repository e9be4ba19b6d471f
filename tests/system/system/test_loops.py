"""A loop device's number outlives its file: what was set for one user must not reach the next."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rokcsi.model.errors import StillInUse
from rokcsi.system import loops
from rokcsi.system.block_devices import refuse_writing, refuses_writing
from rokcsi.system.loops import LoopDevice

pytestmark = pytest.mark.system

_CTL_ADD, _CTL_REMOVE = 0x4C80, 0x4C81


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Give a file that has no loop when the test is over."""
    file = tmp_path / "file"
    with file.open("xb") as opened:
        opened.truncate(1 << 20)
    yield file
    loop = loops.attached_loops().get(loops.key_of(file))
    if loop is not None:
        with suppress(StillInUse):
            loops.detach(loop, loops.key_of(file))


def test_a_device_is_let_go_writable(file: Path) -> None:
    loop = loops.attach(file)
    refuse_writing(loop.path, refuse=True)
    loops.detach(loop, loops.key_of(file))
    assert not refuses_writing(loop.path)


@pytest.fixture
def spare() -> Iterator[LoopDevice]:
    """Give a free device whose number is so high that nobody else is given it."""
    loop = LoopDevice(10_000 + os.getpid() % 10_000)
    control = os.open("/dev/loop-control", os.O_RDWR)
    try:
        fcntl.ioctl(control, _CTL_ADD, loop.number)
        yield loop
    finally:
        status = loops.status_of(loop)
        if status is not None:
            loops.detach(loop, (status.device, status.inode))
        fcntl.ioctl(control, _CTL_REMOVE, loop.number)
        os.close(control)


def test_a_device_that_was_left_read_only_by_others_is_given_out_writable(
    file: Path, spare: LoopDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops.status_of(spare)
    refuse_writing(spare.path, refuse=True)
    # Which device is free is the kernel's choice; no other way to make it this one.
    monkeypatch.setattr("rokcsi.system.loop_ioctls.next_free_loop", lambda _: spare.number)
    assert loops.attach(file) == spare
    assert not refuses_writing(spare.path)
    loops.detach(spare, loops.key_of(file))


def test_a_device_that_is_held_stays_read_only(file: Path) -> None:
    loop = loops.attach(file)
    refuse_writing(loop.path, refuse=True)
    holder = os.open(loop.path, os.O_RDONLY)
    try:
        with pytest.raises(StillInUse):
            loops.detach(loop, loops.key_of(file))
        assert refuses_writing(loop.path)
    finally:
        os.close(holder)
    assert loops.attach(file) == loop
    assert refuses_writing(loop.path)
