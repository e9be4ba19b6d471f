"""One socket: who may use it, who had it before, and how it ends."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.identity import IdentityService
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc
from rokcsi.csi.server import Server
from rokcsi.csi.services import Services
from rokcsi.csi.unix_socket import UnixSocket
from rokcsi.model.errors import InvalidRequest, SocketTaken
from tests.fakes.csi_caller import Refused, mount_capability, stub_with
from tests.fakes.csi_driver import CsiDriver


def server(endpoint: str, workers: int = 4) -> Server:
    """Give a server that can answer questions about itself."""
    identity = IdentityService(DriverIdentity(version="1", node_id="node-1"), lambda: True, {})
    services = Services(identity, csi_pb2_grpc.ControllerServicer(), csi_pb2_grpc.GroupControllerServicer())
    return Server(UnixSocket.of(endpoint), services, workers=workers)


@contextmanager
def served(endpoint: str) -> Iterator[Server]:
    """Serve for the length of the block."""
    running = server(endpoint)
    running.start()
    try:
        yield running
    finally:
        running.stop(grace_seconds=1)


def name_of_driver(socket_path: Path) -> str:
    """Ask who serves."""
    with grpc.insecure_channel(f"unix://{socket_path}") as channel:
        info: csi.GetPluginInfoResponse = stub_with(channel, "GetPluginInfo").GetPluginInfo(
            csi.GetPluginInfoRequest(), timeout=20
        )
        return info.name


def test_only_the_owner_may_talk_to_the_driver(folder: Path) -> None:
    path = folder / "a" / "b" / "csi.sock"
    with served(f"unix://{path}"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert list(path.parent.iterdir()) == [path]
        assert name_of_driver(path) == "rokcsi.dev"


@pytest.mark.parametrize("mode", [0o750, 0o755, 0o1777])
def test_a_folder_that_was_there_keeps_its_mode_and_others_looking_into_it_is_noted(
    folder: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder.chmod(mode)
    with served(f"unix://{folder}/csi.sock"):
        assert stat.S_IMODE(folder.stat().st_mode) == mode
    assert f"others may look into the socket's folder {folder} (mode {mode:o})" in caplog.text


def test_a_folder_of_the_owner_alone_is_not_worth_a_word(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.chmod(0o700)
    with served(f"unix://{folder}/csi.sock"):
        assert caplog.text == ""


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_in_which_others_could_replace_the_socket_is_warned_of(
    folder: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder.chmod(mode)
    with served(f"unix://{folder}/csi.sock"):
        assert stat.S_IMODE(folder.stat().st_mode) == mode
    assert f"others may replace the socket in its folder {folder} (mode {mode:o}" in caplog.text


def test_the_processs_umask_is_as_before(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        with served(f"unix://{folder}/csi.sock"):
            assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_the_socket_goes_when_the_driver_stops(folder: Path) -> None:
    with served(f"unix://{folder}/csi.sock"):
        pass
    assert not list(folder.iterdir())


def test_a_dead_drivers_socket_is_replaced(folder: Path) -> None:
    path = folder / "csi.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with served(f"unix://{path}"):
        assert name_of_driver(path) == "rokcsi.dev"


def test_a_living_drivers_socket_is_left_to_it(folder: Path) -> None:
    path = folder / "csi.sock"
    with served(f"unix://{path}"):
        second = server(f"unix://{path}")
        with pytest.raises(SocketTaken, match="another driver serves"):
            second.start()
        assert name_of_driver(path) == "rokcsi.dev"


def test_a_file_that_is_no_socket_is_left_alone(folder: Path) -> None:
    path = folder / "csi.sock"
    path.write_text("precious")
    with pytest.raises(InvalidRequest, match="is no socket"):
        server(f"unix://{path}").start()
    assert path.read_text() == "precious"


def test_a_folder_that_cannot_be_made_is_one_clear_line(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(InvalidRequest, match="no socket can be made at") as refused:
        server(f"unix://{folder}/file/csi.sock").start()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [("unix:///run/csi.sock", "/run/csi.sock"), ("unix:/run/csi.sock", "/run/csi.sock"), ("/run/c", "/run/c")],
)
def test_an_endpoint_may_be_written_in_three_ways(endpoint: str, path: str) -> None:
    assert UnixSocket.of(endpoint).path == Path(path)


@pytest.mark.parametrize(
    "endpoint", ["", "unix://", "unix://run/csi.sock", "tcp://127.0.0.1:1", "csi.sock", "unix:///a\nb", "/" + "x" * 107]
)
def test_another_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidRequest):
        UnixSocket.of(endpoint)


def first_refusal(driver: CsiDriver) -> Refused:
    """Probe until the driver takes no new call; give how it said so."""
    for _ in range(1000):
        try:
            driver.call("Probe", csi.ProbeRequest(), timeout=5)
        except Refused as refused:
            return refused
    pytest.fail("the driver takes new calls although it was told to stop")


def test_a_driver_that_stops_lets_calls_at_work_end_and_takes_no_new_ones(driver: CsiDriver) -> None:
    entered, may_go_on = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        may_go_on.wait(20)

    driver.node.before_stage = stay
    request = csi.NodeStageVolumeRequest(
        volume_id=driver.volume().volume_id, staging_target_path="/s", volume_capability=mount_capability()
    )
    at_work = stub_with(driver.channel, "NodeStageVolume").NodeStageVolume.future(request, timeout=20)
    assert entered.wait(20)
    stopping = threading.Thread(target=driver.server.stop, args=(20.0,))
    stopping.start()
    assert first_refusal(driver).code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    may_go_on.set()
    assert at_work.result(timeout=20) == csi.NodeStageVolumeResponse()
    stopping.join(timeout=20)
    assert not driver.socket.exists()


def test_many_calls_may_wait_at_once_while_others_go_on(driver: CsiDriver) -> None:
    may_go_on = threading.Event()
    driver.node.before_stage = lambda: may_go_on.wait(20)
    request = csi.NodeStageVolumeRequest(
        volume_id=driver.volume().volume_id, staging_target_path="/s", volume_capability=mount_capability()
    )
    stub = stub_with(driver.channel, "NodeStageVolume")
    waiting = [stub.NodeStageVolume.future(request, timeout=20) for _ in range(60)]
    assert driver.call("Probe", csi.ProbeRequest(), timeout=10).ready.value
    may_go_on.set()
    assert all(call.result(timeout=20) == csi.NodeStageVolumeResponse() for call in waiting)


def test_grpcs_support_for_forks_is_off() -> None:
    assert os.environ["GRPC_ENABLE_FORK_SUPPORT"] == "0"
