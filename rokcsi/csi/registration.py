"""How a node makes itself known to kubelet: plugin registration v1, by a socket of its own in kubelet's folder.

kubelet sees the socket appear, asks what it is, and tells whether it was taken in; it asks
again whenever it starts. The socket's going is the end of the registration.
"""

# ruff: noqa: N802 - the methods bear the names that kubelet gives them
from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from rokcsi.csi.proto import pluginregistration_pb2 as kubelet
from rokcsi.csi.proto import pluginregistration_pb2_grpc
from rokcsi.csi.unix_socket import UnixSocket
from rokcsi.model.errors import InvalidRequest

_TYPE, _VERSIONS = "CSIPlugin", ("1.0.0",)
_WORKERS = 2
_log = logging.getLogger(__name__)


class Registration(pluginregistration_pb2_grpc.RegistrationServicer):
    """Tells kubelet the driver's name and the socket where it is served."""

    def __init__(self, driver: str, socket: Path) -> None:
        self._plugin = kubelet.PluginInfo(type=_TYPE, name=driver, endpoint=str(socket), supported_versions=_VERSIONS)

    def GetInfo(self, request: kubelet.InfoRequest, context: grpc.ServicerContext) -> kubelet.PluginInfo:
        """Give what is to be registered."""
        del request, context
        return self._plugin

    def NotifyRegistrationStatus(
        self, request: kubelet.RegistrationStatus, context: grpc.ServicerContext
    ) -> kubelet.RegistrationStatusResponse:
        """Hear whether kubelet has taken the driver in; it tries again by itself where it has not."""
        del context
        if request.plugin_registered:
            _log.info("kubelet has registered the driver")
        else:
            _log.error("kubelet has not registered the driver", extra={"error": request.error})
        return kubelet.RegistrationStatusResponse()


class KubeletRegistry:
    """Our socket in the folder that kubelet watches: there from `start` to `stop`."""

    def __init__(self, folder: Path, driver: str, socket: Path) -> None:
        self._folder = folder
        self._listener = UnixSocket(folder / f"{driver}-reg.sock")
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="registration")
        self._server = grpc.server(self._threads)
        generated: Any = pluginregistration_pb2_grpc  # protoc writes no types for it
        generated.add_RegistrationServicer_to_server(Registration(driver, socket), self._server)

    def start(self) -> None:
        """Let kubelet see the driver; raise InvalidRequest where its folder is not there, SocketTaken."""
        if not self._folder.is_dir():
            raise InvalidRequest(
                f"kubelet's folder {self._folder} is not there; mount it, or leave plugins_registry out"
            )
        self._listener.bind(self._server)
        self._server.start()

    def stop(self) -> None:
        """Take the driver out of kubelet's sight."""
        self._listener.remove()
        self._server.stop(grace=1.0).wait()
        self._threads.shutdown(wait=False, cancel_futures=True)
