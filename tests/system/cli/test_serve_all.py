"""`rokcsi serve all` as a process: its one line, its refusals, its signals, its metrics."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc as services

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
READY_SECONDS = 60
END_SECONDS = 30


@dataclass
class Place:
    """Where a driver of a test lives."""

    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "csi.sock"

    @property
    def arguments(self) -> list[str]:
        return [
            *("--endpoint", f"unix://{self.socket}"),
            *("--pool", f"loopfile:{self.folder / 'pool'}"),
            *("--node-id", "node-1"),
            *("--records", str(self.folder / "records")),
        ]


def rokcsi(arguments: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rokcsi.cli.entry", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ROKCSI_CONFIG": "", **(environment or {})},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], READY_SECONDS)
    return process.stdout.readline() if ready else ""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start drivers, and end them whatever the test does."""
    started: list[subprocess.Popen[str]] = []

    def start(arguments: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        process = rokcsi(["serve", "all", *arguments], environment)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        try:
            process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=END_SECONDS)


def refused(arguments: Sequence[str], environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Give the exit status and standard error of a driver that cannot serve."""
    process = rokcsi(["serve", "all", *arguments], environment)
    out, err = process.communicate(timeout=READY_SECONDS)
    assert out == ""
    return process.returncode, err


def test_it_prints_one_line_when_it_serves_and_makes_no_other_file_beside_the_socket(
    place: Place, serve: Serve
) -> None:
    process = serve([*place.arguments, "--metrics", "127.0.0.1:0"])
    line = first_line(process)
    assert re.fullmatch(
        rf"rokcsi \S+ serves rokcsi\.dev on unix://{place.socket} with loopfile:{place.folder}/pool as node-1;"
        r" metrics on 127\.0\.0\.1:\d+\n",
        line,
    )
    assert [path.name for path in place.socket.parent.iterdir()] == ["csi.sock"]
    assert place.socket.stat().st_mode & 0o777 == 0o600
    assert place.socket.parent.stat().st_mode & 0o777 == 0o700
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=END_SECONDS)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err


def test_sigterm_removes_the_socket_and_gives_the_pool_back(place: Place, serve: Serve) -> None:
    for stop in (signal.SIGTERM, signal.SIGINT):
        process = serve(place.arguments)
        assert first_line(process)
        process.send_signal(stop)
        process.communicate(timeout=END_SECONDS)
        assert process.returncode == 0
        assert not place.socket.exists()


def test_the_environment_says_the_same_as_the_flags(place: Place, serve: Serve) -> None:
    environment = {
        "CSI_ENDPOINT": f"unix://{place.socket}",
        "ROKCSI_POOL": f"loopfile:{place.folder / 'pool'}",
        "ROKCSI_NODE_ID": "from-environment",
        "ROKCSI_RECORDS": str(place.folder / "records"),
    }
    line = first_line(serve([], environment))
    assert f"on unix://{place.socket}" in line
    assert line.endswith("as from-environment\n")


def test_metrics_count_calls_and_health_tells_that_it_is_ready(place: Place, serve: Serve) -> None:
    line = first_line(serve([*place.arguments, "--metrics", "127.0.0.1:0"]))
    address = line.rsplit(" ", 1)[1].strip()
    with grpc.insecure_channel(f"unix://{place.socket}") as channel:
        controller = services.ControllerStub(channel)  # type: ignore[no-untyped-call]  # generated code
        with pytest.raises(grpc.RpcError):
            controller.CreateVolume(csi.CreateVolumeRequest(), timeout=10)
    text = fetched(f"http://{address}/metrics")
    assert 'rokcsi_rpcs_total{method="CreateVolume",status="INVALID_ARGUMENT"} 1.0' in text
    assert "rokcsi_pool_total_bytes" in text
    assert fetched(f"http://{address}/readyz") == "ok\n"
    assert fetched(f"http://{address}/healthz") == "ok\n"


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_a_second_driver_on_the_same_pool_or_socket_is_refused_with_one_line(place: Place, serve: Serve) -> None:
    assert first_line(serve(place.arguments))
    other = Place(place.folder / "other")
    status, err = refused([*other.arguments, "--pool", f"loopfile:{place.folder / 'pool'}"])
    assert status == 7
    assert err.startswith("error: ")
    assert "is served by process" in err
    assert err.count("\n") == 1
    status, err = refused([*other.arguments, "--endpoint", f"unix://{place.socket}"])
    assert status == 7
    assert f"another driver serves on {place.socket}" in err
    assert place.socket.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--pool", "somewhere"], 2, "setting pool = 'somewhere' (flag --pool)"),
        (["--pool", "lvm:vg"], 2, "not a volume group and a thin pool"),
        (["--pool", "loopfile:relative"], 2, "relative path"),
        (["--endpoint", "tcp://127.0.0.1:1"], 2, "setting endpoint"),
        (["--endpoint", "unix:///" + "x" * 200], 2, "longer than"),
        (["--overcommit", "none"], 2, "setting overcommit"),
        (["--metrics", "127.0.0.1:1:2:3"], 7, "choose another --metrics"),
        (["--config", "/nowhere/rokcsi.toml"], 2, "there is no settings file"),
    ],
)
def test_a_wrong_setting_ends_it_with_one_line_and_makes_nothing(
    place: Place, arguments: list[str], status: int, said: str
) -> None:
    ended, err = refused([*place.arguments, *arguments])
    assert (ended, err.count("\n")) == (status, 1)
    assert err.startswith("error: ")
    assert said in err
    assert not place.socket.exists()


@pytest.mark.parametrize("endpoint", ["file", "file/csi.sock"])
def test_where_no_socket_can_be_no_pool_is_made(place: Place, endpoint: str) -> None:
    (place.folder / "file").write_text("mine")
    ended, err = refused([*place.arguments, "--endpoint", f"unix://{place.folder}/{endpoint}"])
    assert (ended, err.count("\n")) == (2, 1)
    assert sorted(path.name for path in place.folder.iterdir()) == ["file"]


def test_a_pool_that_is_a_file_is_refused(place: Place) -> None:
    (place.folder / "pool").write_text("mine")
    status, err = refused(place.arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert "is not a folder" in err
    assert (place.folder / "pool").read_text() == "mine"


def test_without_its_tools_it_names_the_one_that_is_missing_and_its_package(place: Place, tmp_path: Path) -> None:
    status, err = refused(place.arguments, {"PATH": str(tmp_path / "empty")})
    assert (status, err.count("\n")) == (8, 1)
    assert "mkfs.xfs" in err
    assert "apt-get install xfsprogs" in err


def test_an_unknown_flag_is_a_matter_of_usage() -> None:
    status, err = refused(["--nonsense"])
    assert status == 2
    assert "No such option" in err
    assert "Traceback" not in err


def test_the_memory_of_an_idle_driver_is_told(place: Place, serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    process = serve([*place.arguments, "--metrics", "127.0.0.1:0"])
    assert first_line(process)
    time.sleep(1)
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    resident = int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])
    with capsys.disabled():
        pass
    assert resident > 0
