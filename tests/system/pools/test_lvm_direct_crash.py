"""SIGKILL at every named place of the lvm-direct pool: after a restart the same call gives the same answer, and nothing leaks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rokcsi.model.pool import Pool
from rokcsi.pools.lvm_direct import LvmDirectPool
from rokcsi.pools.lvm_direct.founding import devices_in
from rokcsi.system import failpoints
from tests.fakes.lvm_direct_pools import LvmDirectPools, as_served
from tests.fakes.pool_story import played, steps
from tests.fakes.thin_pools import ThinPool, thin_pool_on_a_disk

pytestmark = pytest.mark.lab

NAMES = [name for name in failpoints.declared() if name.startswith("lvm-direct.")]
ONLY_AFTER_A_CRASH = {"lvm-direct.undo.removed": "lvm-direct.cut.made"}
"""Places passed only by a start that finds what an earlier crash has left."""
ROOT = Path(__file__).parents[3]


@pytest.fixture
def thin(tmp_path: Path) -> Iterator[ThinPool]:
    with thin_pool_on_a_disk(tmp_path, 64) as pool:
        yield pool


def killed_at(thin: ThinPool, failpoint: str) -> list[str]:
    """Play the story in a process that a failpoint kills; give the steps that were over by then."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fakes.pool_story", thin.group, thin.thin_pool],
        cwd=ROOT,
        env={**os.environ, "ROKCSI_FAILPOINT": failpoint},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, f"the story does not pass {failpoint}:\n{ended.stdout}{ended.stderr}"
    _wait_for_its_watchdog()
    return ended.stdout.splitlines()


def _wait_for_its_watchdog() -> None:
    """Let the watchdog of the dead resume what stands still: what we have resumed it tries again, and breaks our windows."""
    until = time.monotonic() + 10
    while any(b"thaw_watchdog.py" in command for command in _command_lines()):
        assert time.monotonic() < until, "a watchdog outlives its driver"
        time.sleep(0.02)


def _command_lines() -> Iterator[bytes]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            yield file.read_bytes()


def is_suspended(thin: ThinPool) -> list[str]:
    found = [thin.mapper.look(device.name) for device in thin.mapper.devices("rokcsi-")]
    return [device.name for device in found if device is not None and device.suspended]


@pytest.mark.parametrize("name", NAMES)
def test_a_driver_killed_here_gives_the_same_answer_after_a_restart_and_leaks_nothing(
    thin: ThinPool, name: str
) -> None:
    over = killed_at(thin, ONLY_AFTER_A_CRASH.get(name, name))
    if name in ONLY_AFTER_A_CRASH:
        assert killed_at(thin, name) == [], f"no start passes {name}"
    pools = LvmDirectPools(thin.group, thin.thin_pool)
    strict = pools.open()
    assert is_suspended(thin) == []
    _go_on(as_served(strict), over)
    assert (strict.volumes(), strict.snapshots()) == ([], [])
    assert [device.id for device in devices_in(strict._pool)] == [0]
    _nothing_is_left(strict, thin)
    pools.kill()


def _go_on(pool: Pool, over: list[str]) -> None:
    """Repeat the step in which the driver was killed, twice; then go on to the end."""
    if len(over) < len(steps()):
        _, step = steps()[len(over)]
        assert step(pool) == step(pool), f"{steps()[len(over)][0]} answered differently the second time"
        over = [*over, steps()[len(over)][0]]
    for _ in played(pool, over):
        pass


def _nothing_is_left(strict: LvmDirectPool, thin: ThinPool) -> None:
    assert strict.leftovers() == []
    assert [device.name for device in thin.mapper.devices("rokcsi-")] == [
        device.name for device in strict._devices.all() if strict._devices.is_journal(device.name)
    ]
