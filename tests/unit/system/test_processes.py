from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from rokcsi.system.processes import (
    Children,
    ProcessIdentity,
    end_process,
    identity_of,
    is_alive,
    only_child,
    send_signal,
    wait_ended,
)

DEAF = "trap '' TERM; echo up; while :; do sleep 0.05; done"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait(timeout=10)


def identity(child: subprocess.Popen[bytes]) -> ProcessIdentity:
    found = identity_of(child.pid)
    assert found is not None
    return found


def test_a_process_is_found_again_by_its_identity(sleeper: subprocess.Popen[bytes]) -> None:
    assert is_alive(identity(sleeper))
    assert not wait_ended(identity(sleeper), 0.01)


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot": "another"}, {"pid": 4_000_000}])
def test_another_process_with_the_same_pid_is_a_stranger(
    sleeper: subprocess.Popen[bytes], change: dict[str, int | str]
) -> None:
    stranger = dataclasses.replace(identity(sleeper), **change)  # type: ignore[arg-type]  # one field each
    assert not is_alive(stranger)
    assert not send_signal(stranger, signal.SIGKILL)
    assert wait_ended(stranger)
    assert sleeper.poll() is None


def test_one_that_waits_to_be_reaped_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    found = identity(sleeper)
    sleeper.kill()
    assert wait_ended(found, 10.0)
    assert not is_alive(found)


def test_a_process_is_asked_to_end(sleeper: subprocess.Popen[bytes]) -> None:
    assert end_process(identity(sleeper), ask=signal.SIGTERM, grace_seconds=10.0, force=signal.SIGKILL)
    assert sleeper.wait(timeout=10) == -signal.SIGTERM


def test_a_deaf_process_is_forced() -> None:
    with subprocess.Popen(["sh", "-c", DEAF], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert end_process(identity(child), ask=signal.SIGTERM, grace_seconds=0.1, force=signal.SIGKILL)
        assert child.wait(timeout=10) == -signal.SIGKILL


def test_a_child_is_reaped_once_and_a_stranger_never() -> None:
    children = Children()
    process = children.keep(subprocess.Popen(["true"]))
    assert wait_ended(process, 10.0)
    children.reap(process)
    children.reap(process)
    assert identity_of(process.pid) is None


def test_the_only_child_of_a_process_is_found() -> None:
    with subprocess.Popen(
        ["sh", "-c", "echo up; sleep 60 & wait"], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = None
        while found is None:
            found = only_child(identity(child))
        os.killpg(child.pid, signal.SIGKILL)
