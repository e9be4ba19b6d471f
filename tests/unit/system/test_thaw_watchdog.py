from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from rokcsi.system import watchdog as watchdogs
from rokcsi.system.file_locks import lock_alone, lock_shared_after_others
from rokcsi.system.thaw_watchdog import Armed
from rokcsi.system.watchdog import LentDevice, Watchdog


def due(armed: Armed) -> float | None:
    return armed.wait_seconds()


def test_it_waits_for_ever_when_nothing_is_armed() -> None:
    assert due(Armed()) is None


def test_what_is_armed_is_due_after_the_limit_and_not_when_disarmed(tmp_path: Path) -> None:
    armed = Armed()
    line = f"arm 1 2.0 point:{tmp_path.stat().st_dev + 1}:{str(tmp_path).encode().hex()}".encode()
    armed.hear(line)
    armed.hear(line.replace(b"arm 1", b"arm 2"))
    wait = due(armed)
    assert wait is not None
    assert 1.0 < wait <= 2.0
    armed.hear(b"disarm 1")
    assert due(armed) is not None
    armed.hear(b"disarm 2")
    armed.hear(b"disarm 2")
    assert due(armed) is None


def test_what_is_not_frozen_yet_is_due_again_soon_until_it_is_disarmed(tmp_path: Path) -> None:
    armed = Armed()
    armed.hear(f"arm 1 5.0 point:{tmp_path.stat().st_dev}:{str(tmp_path).encode().hex()}".encode())
    armed.let_go_due(time.monotonic() + 6)
    again = due(armed)
    assert again is not None
    assert again <= 0.2
    armed.hear(b"disarm 1")
    assert due(armed) is None


def test_what_is_due_and_not_there_any_more_is_forgotten(tmp_path: Path) -> None:
    armed = Armed()
    moved = f"point:{tmp_path.stat().st_dev + 1}:{str(tmp_path).encode().hex()}"
    armed.hear(f"arm 1 0.0 point:7:{b'/no/such/place'.hex()} {moved} device:{b'no-such-device'.hex()}".encode())
    armed.let_go_due(time.monotonic() + 1)
    assert due(armed) is None


def test_each_may_have_a_limit_of_its_own() -> None:
    armed = Armed()
    armed.hear(f"arm 1 60 device:{b'slow'.hex()}".encode())
    wait = due(armed)
    assert wait is not None
    assert 50.0 < wait <= 60.0
    armed.hear(f"arm 2 2.0 device:{b'quick'.hex()}".encode())
    wait = due(armed)
    assert wait is not None
    assert wait <= 2.0


def test_what_is_lent_to_a_command_of_the_drivers_is_left_alone_at_first() -> None:
    armed = Armed()
    # What is not there counts as let go, so that it is seen whether it was tried.
    armed.hear(f"arm 1 60 lent:{b'no-such-device'.hex()}".encode())
    armed.let_go_due(float("inf"), lent=False)
    assert due(armed) is not None
    armed.let_go_due(float("inf"))
    assert due(armed) is None


def test_at_the_end_what_is_lent_gets_the_time_that_its_command_may_take() -> None:
    armed = Armed()
    armed.hear(f"arm 1 60 lent:{b'no-such-device'.hex()}".encode())
    began = time.monotonic()
    armed.let_go_to_the_end()
    assert 1.0 < time.monotonic() - began < 3.0
    assert due(armed) is None


def test_it_lets_whoever_tells_it_something_go_on_first() -> None:
    with closing(Watchdog()) as watchdog:
        watchdog.disarm(watchdog.arm([]))
        assert watchdog.pid is not None
        until = time.monotonic() + 10
        while os.sched_getscheduler(watchdog.pid) != os.SCHED_BATCH and time.monotonic() < until:
            time.sleep(0.01)
        assert os.sched_getscheduler(watchdog.pid) == os.SCHED_BATCH


def test_whoever_comes_next_is_kept_out_until_it_has_ended(tmp_path: Path) -> None:
    ours, theirs = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC) for _ in range(2))
    assert lock_shared_after_others(ours, 0.0)
    watchdog = Watchdog(held=ours)
    watchdog.arm([LentDevice("no-such-device")], 60)
    os.close(ours)  # as happens to a driver that is killed
    assert not lock_alone(theirs)
    watchdog.close()
    assert lock_alone(theirs)
    os.close(theirs)


def test_one_that_does_not_end_and_has_nothing_to_let_go_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdogs, "_END_SECONDS", 0.1)
    watchdog = Watchdog()
    watchdog.disarm(watchdog.arm([]))
    pid = watchdog.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    watchdog.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
