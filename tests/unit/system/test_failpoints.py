from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from rokcsi.system.failpoints import declare, declared, failing, failpoint, visiting


def test_nothing_happens_at_a_failpoint_that_nobody_armed() -> None:
    failpoint("test.unarmed")


def test_the_third_visit_fails_when_that_is_asked_for_and_only_within_the_block() -> None:
    with failing("test.third", ValueError("now"), visit=3):
        failpoint("test.third")
        failpoint("test.other")
        failpoint("test.third")
        with pytest.raises(ValueError, match="now"):
            failpoint("test.third")
        failpoint("test.third")
    failpoint("test.third")


def test_a_visit_can_do_anything() -> None:
    seen: list[int] = []
    with visiting("test.visit", lambda: seen.append(1)):
        failpoint("test.visit")
    assert seen == [1]


def test_declared_names_are_listed_once_and_sorted() -> None:
    declare("test.b", "test.a", "test.b")
    assert [name for name in declared() if name in {"test.a", "test.b"}] == ["test.a", "test.b"]


@pytest.mark.parametrize(("armed", "visits"), [("test.here", 1), ("test.here:2", 2)])
def test_the_environment_arms_one_that_kills_the_process(armed: str, visits: int) -> None:
    program = """
from rokcsi.system.failpoints import failpoint
for number in range(5):
    print(number, flush=True)
    failpoint("test.here")
"""
    environment = {**os.environ, "ROKCSI_FAILPOINT": armed}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=30, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert len(ended.stdout.split()) == visits
