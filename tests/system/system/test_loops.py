"""A loop device's number outlives its file: what was set for one user must not reach the next."""

from __future__ import annotations

import ctypes
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rokcsi.model.errors import StillInUse
from rokcsi.system import loops
from rokcsi.system.block_devices import refuse_writing, refuses_writing
from rokcsi.system.loops import LoopDevice

pytestmark = pytest.mark.system

_IN_CLOSE_WRITE = 0x8
_INOTIFY_EVENT_BYTES = 16
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


def test_a_device_that_somebody_looks_at_for_a_moment_is_let_go(file: Path) -> None:
    loop = loops.attach(file)
    looker = os.open(loop.path, os.O_RDONLY)
    timer = threading.Timer(0.5, os.close, [looker])
    timer.start()
    loops.detach(loop, loops.key_of(file))
    timer.join()
    assert loops.status_of(loop) is None


def test_udev_is_given_no_reason_to_look_at_a_device_while_it_is_let_go(file: Path) -> None:
    loop = loops.attach(file)
    looker = os.open(loop.path, os.O_RDONLY)
    try:
        with closed_after_writing(loop.path) as closings, pytest.raises(StillInUse):
            loops.detach(loop, loops.key_of(file))
    finally:
        os.close(looker)
    assert closings() == 0


@contextmanager
def closed_after_writing(path: Path) -> Iterator[Callable[[], int]]:
    """Watch as udev does; afterwards give how often the device was closed by somebody who could have written."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert libc.inotify_add_watch(fd, os.fsencode(path), _IN_CLOSE_WRITE) >= 0
    seen = 0
    yield lambda: seen
    with suppress(BlockingIOError):
        seen = len(os.read(fd, 1 << 16)) // _INOTIFY_EVENT_BYTES
    os.close(fd)


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
