"""kubelet's plugin registration, as kubelet speaks it."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from rokcsi.csi.proto import pluginregistration_pb2 as kubelet
from rokcsi.csi.proto import pluginregistration_pb2_grpc
from rokcsi.csi.registration import KubeletRegistry
from rokcsi.model.errors import InvalidRequest, SocketTaken

CSI_SOCKET = Path("/var/lib/kubelet/plugins/rokcsi.dev/csi.sock")


@pytest.fixture
def registry(folder: Path) -> Iterator[KubeletRegistry]:
    made = KubeletRegistry(folder, "rokcsi.dev", CSI_SOCKET)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def caller(registry: KubeletRegistry, folder: Path) -> Iterator[Any]:
    with grpc.insecure_channel(f"unix://{folder}/rokcsi.dev-reg.sock") as channel:
        stubs: Any = pluginregistration_pb2_grpc
        yield stubs.RegistrationStub(channel)


def test_kubelet_is_told_what_is_served_where(caller: Any) -> None:
    assert caller.GetInfo(kubelet.InfoRequest(), timeout=20) == kubelet.PluginInfo(
        type="CSIPlugin", name="rokcsi.dev", endpoint=str(CSI_SOCKET), supported_versions=["1.0.0"]
    )


def test_the_messages_are_on_the_wire_as_kubelet_has_them() -> None:
    info = kubelet.PluginInfo(type="t", name="n", endpoint="e", supported_versions=["1"])
    assert info.SerializeToString() == b"\x0a\x01t\x12\x01n\x1a\x01e\x22\x011"
    told = kubelet.RegistrationStatus(plugin_registered=True, error="x")
    assert told.SerializeToString() == b"\x08\x01\x12\x01x"
    service = kubelet.DESCRIPTOR.services_by_name["Registration"]
    assert service.full_name == "pluginregistration.Registration"
    assert list(service.methods_by_name) == ["GetInfo", "NotifyRegistrationStatus"]


@pytest.mark.parametrize(("taken", "level"), [(True, logging.INFO), (False, logging.ERROR)])
def test_what_kubelet_made_of_it_is_logged(
    caller: Any, caplog: pytest.LogCaptureFixture, *, taken: bool, level: int
) -> None:
    with caplog.at_level(logging.INFO, "rokcsi.csi.registration"):
        told = kubelet.RegistrationStatus(plugin_registered=taken, error="" if taken else "no such version")
        caller.NotifyRegistrationStatus(told, timeout=20)
    assert [record.levelno for record in caplog.records] == [level]


def test_the_socket_is_roots_and_goes_when_the_driver_stops(folder: Path) -> None:
    registry = KubeletRegistry(folder, "rokcsi.dev", CSI_SOCKET)
    registry.start()
    [socket] = folder.iterdir()
    assert (socket.name, stat.S_IMODE(socket.stat().st_mode)) == ("rokcsi.dev-reg.sock", 0o600)
    registry.stop()
    assert list(folder.iterdir()) == []


def test_a_dead_drivers_socket_is_replaced_and_a_living_ones_is_left(registry: KubeletRegistry, folder: Path) -> None:
    with pytest.raises(SocketTaken):
        KubeletRegistry(folder, "rokcsi.dev", CSI_SOCKET).start()
    registry.stop()
    again = KubeletRegistry(folder, "rokcsi.dev", CSI_SOCKET)
    again.start()
    again.stop()


def test_kubelets_folder_is_not_made_where_it_is_missing(folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="is not there; mount it"):
        KubeletRegistry(folder / "plugins_registry", "rokcsi.dev", CSI_SOCKET).start()
    assert not (folder / "plugins_registry").exists()
