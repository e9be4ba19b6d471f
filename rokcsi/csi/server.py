"""The CSI services on one unix socket; `wiring/` makes one, starts it, and stops it on SIGTERM.

`Server("unix:///run/rokcsi/csi.sock", provisioner, node_volumes, identity, calls=[log, metrics])`
makes nothing yet; `start()` serves, or raises InvalidRequest or SocketTaken with one clear
line; `stop(grace_seconds=20)` takes no new call, waits for those at work, removes the socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from rokcsi.csi.controller import ControllerService
from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.group_controller import GroupControllerService
from rokcsi.csi.identity import IdentityService
from rokcsi.csi.interceptors import CallInterceptor, CallLog
from rokcsi.csi.node import NodeService
from rokcsi.csi.proto import csi_pb2_grpc
from rokcsi.csi.unix_socket import UnixSocket
from rokcsi.model.node import NodeVolumes
from rokcsi.model.provisioner import Provisioner

WORKERS = 64
_LARGEST_REQUEST = 1 << 20  # every field of CSI is limited to 4 KiB; groups repeat handles of 67 bytes
_OPTIONS = (
    ("grpc.max_receive_message_length", _LARGEST_REQUEST),
    ("grpc.max_send_message_length", -1),  # a list of all volumes has no limit in CSI
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),  # the sidecars ping more often than gRPC's default allows
)


def _always() -> bool:
    return True


class Server:
    """Identity, Controller, GroupController and Node, spoken on one socket.

    `endpoint` is `unix:///PATH`; `calls` are told of every call when it has ended (logs,
    metrics); `ready` answers Probe. Many calls may wait at once, hence the many `workers`:
    external-provisioner alone runs a hundred.
    """

    def __init__(
        self,
        endpoint: str,
        provisioner: Provisioner,
        volumes: NodeVolumes,
        identity: DriverIdentity,
        *,
        calls: Sequence[CallLog] = (),
        ready: Callable[[], bool] = _always,
        workers: int = WORKERS,
    ) -> None:
        self._socket = UnixSocket.of(endpoint)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="csi")
        self._server = grpc.server(self._threads, interceptors=[CallInterceptor(calls)], options=_OPTIONS)
        generated: Any = csi_pb2_grpc  # protoc writes no types for it
        generated.add_IdentityServicer_to_server(IdentityService(identity, ready), self._server)
        generated.add_ControllerServicer_to_server(ControllerService(provisioner, identity), self._server)
        generated.add_GroupControllerServicer_to_server(GroupControllerService(provisioner), self._server)
        generated.add_NodeServicer_to_server(NodeService(volumes, identity), self._server)

    @property
    def endpoint(self) -> str:
        """Give the address that clients dial: `unix:///PATH`."""
        return self._socket.address

    def start(self) -> None:
        """Serve; raise SocketTaken where another driver answers there, InvalidRequest where no socket can be."""
        self._socket.bind(self._server)
        self._server.start()

    def stop(self, grace_seconds: float = 20.0) -> None:
        """Refuse new calls, wait for those at work, give the rest up, and remove the socket."""
        self._server.stop(grace_seconds).wait()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._socket.remove()
