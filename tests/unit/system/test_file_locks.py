from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from rokcsi.system.command import HostRunner
from rokcsi.system.file_locks import lock_alone, lock_shared_after_others


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)


def test_a_lock_nobody_has_is_shared_at_once_and_keeps_those_out_who_want_it_alone(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "lock"), opened(tmp_path / "lock")
    assert lock_shared_after_others(first, 0.0)
    assert not lock_alone(second)
    assert not lock_shared_after_others(second, 0.05)
    os.close(first)
    assert lock_shared_after_others(second, 0.0)
    os.close(second)


def test_a_program_that_outlives_its_starter_keeps_the_lock_until_it_ends(tmp_path: Path) -> None:
    held = opened(tmp_path / "lock")
    assert lock_shared_after_others(held, 0.0)
    with subprocess.Popen(["sleep", "0.5"], stdin=held) as program:
        os.close(held)
        waiting, began = opened(tmp_path / "lock"), time.monotonic()
        assert not lock_shared_after_others(waiting, 0.0)
        assert lock_shared_after_others(waiting, 10.0)
        assert time.monotonic() - began > 0.2
        assert program.wait(10) == 0
    os.close(waiting)


def test_what_is_held_is_the_standard_input_of_every_program_and_empty(tmp_path: Path) -> None:
    held = opened(tmp_path / "lock")
    seen = HostRunner(held).run(["sh", "-c", "readlink /proc/self/fd/0; cat"]).stdout
    assert seen == f"{tmp_path}/lock\n"
    os.close(held)


def test_a_program_of_a_runner_that_holds_something_does_not_die_of_having_nobody_to_print_to(tmp_path: Path) -> None:
    held = opened(tmp_path / "lock")
    ignored = HostRunner(held).run(["grep", "SigIgn", "/proc/self/status"]).stdout
    assert int(ignored.split()[1], 16) & 1 << 12  # SIGPIPE, the thirteenth
    os.close(held)
