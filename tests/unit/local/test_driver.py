from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.local import driver
from rokcsi.model.errors import DriverAway, InvalidRequest
from rokcsi.system.processes import is_alive
from tests.fakes.csi_server import FakeDriver, serving

PRESENT = str(Path(__file__).parents[3])
FAKE = """
import sys, threading
from pathlib import Path
from tests.fakes.csi_server import FakeDriver, serving
with serving(FakeDriver(Path(sys.argv[1])), Path(sys.argv[2])):
    print("serving", flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PYTHONPATH", PRESENT)
    with tempfile.TemporaryDirectory(prefix="rokcsi-") as folder:
        home = Path(folder)
        yield home
        driver.stop(home)


def fake(home: Path) -> list[str]:
    return [sys.executable, "-c", FAKE, str(home), str(driver.socket_of(home))]


def test_a_driver_is_started_once_and_found_again(home: Path) -> None:
    socket = driver.ensure_running(home, fake(home))
    assert driver.ensure_running(home, ["/no/such/program"]) == socket
    assert driver.log_of(home).read_text() == "serving\n"
    assert socket.parent.stat().st_mode & 0o777 == 0o700


def test_only_the_very_process_is_stopped(home: Path) -> None:
    driver.ensure_running(home, fake(home))
    process = driver._remembered(home)
    assert process is not None
    assert driver.stop(home)
    assert not is_alive(process)
    assert not driver.stop(home)


def test_a_driver_started_by_hand_is_used_and_never_stopped(home: Path) -> None:
    driver.socket_of(home).parent.mkdir()
    with serving(FakeDriver(home), driver.socket_of(home)):
        driver.ensure_running(home, ["/no/such/program"])
        assert not driver.stop(home)


def test_a_pid_that_was_used_again_is_left_alone(home: Path) -> None:
    (home / "driver.json").write_text(f'{{"pid": {os.getpid()}, "start_ticks": 1, "boot": "another"}}')
    assert not driver.stop(home)


def test_a_driver_that_was_killed_is_started_again(home: Path) -> None:
    driver.ensure_running(home, fake(home))
    process = driver._remembered(home)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    driver._CHILDREN.reap(process)
    driver.ensure_running(home, fake(home))
    assert driver._remembered(home) != process


def test_a_driver_that_does_not_come_up_shows_why(home: Path) -> None:
    with pytest.raises(DriverAway, match="the pool is broken"):
        driver.ensure_running(home, ["sh", "-c", "echo the pool is broken; exit 1"])


def test_a_home_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="too long"):
        driver.ensure_running(tmp_path / ("x" * 100))


def test_stopping_where_there_is_no_home_does_nothing(tmp_path: Path) -> None:
    assert not driver.stop(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_real_command_serves_this_home(home: Path) -> None:
    command = driver.serve_command(home)
    assert command[3:5] == ["serve", "all"]
    assert command[command.index("--endpoint") + 1] == f"unix://{home}/run/csi.sock"
    assert command[command.index("--pool") + 1] == f"loopfile:{home}/pool"
