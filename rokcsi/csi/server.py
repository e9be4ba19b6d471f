"""CSI services on one address; `wiring/` makes a server, starts it, and stops it on SIGTERM.

`Server(UnixSocket.of("unix:///run/rokcsi/csi.sock"), services, calls=[log, metrics])` makes
nothing yet; `start()` serves, or raises InvalidRequest or SocketTaken with one clear line;
`stop(grace_seconds=20)` takes no new call, waits for those at work, removes the socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import grpc

from rokcsi.csi.interceptors import CallInterceptor, CallLog, Guard, everybody

WORKERS = 64
_LARGEST_REQUEST = 1 << 20  # every field of CSI is limited to 4 KiB; groups repeat handles of 67 bytes
_LARGEST_METADATA = 1 << 18
_OPTIONS = (
    ("grpc.max_receive_message_length", _LARGEST_REQUEST),
    ("grpc.max_send_message_length", -1),  # a list of all volumes has no limit in CSI
    ("grpc.max_metadata_size", _LARGEST_METADATA),  # gRPC's own 8 KiB are few for the labels of many volumes
    ("grpc.absolute_max_metadata_size", _LARGEST_METADATA),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),  # the sidecars ping more often than gRPC's default allows
    ("grpc.so_reuseport", 0),  # two servers on one port would share its calls
)


class Listener(Protocol):
    """A place where a server can be reached: a unix socket, a port."""

    @property
    def address(self) -> str:
        """Give what clients dial."""

    def bind(self, server: grpc.Server) -> None:
        """Let the server listen here; raise SocketTaken, InvalidRequest where it cannot."""

    def remove(self) -> None:
        """Take away what is left of the place when its server has stopped."""


class Offered(Protocol):
    """What is served."""

    def add_to(self, server: grpc.Server) -> None:
        """Have a server answer for it."""


class Server:
    """Some of CSI's services, or others, spoken at one place.

    `calls` are told of every call when it has ended (logs, metrics); `guard` looks at every
    caller first; `origin` begins the ids of calls that come without one. Many calls may
    wait at once, hence the many `workers`: external-provisioner alone runs a hundred.
    """

    def __init__(
        self,
        listener: Listener,
        services: Offered,
        *,
        calls: Sequence[CallLog] = (),
        guard: Guard = everybody,
        origin: str = "",
        workers: int = WORKERS,
    ) -> None:
        self._listener = listener
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="csi")
        interceptor = CallInterceptor(calls, guard, origin)
        self._server = grpc.server(self._threads, interceptors=[interceptor], options=_OPTIONS)
        services.add_to(self._server)

    @property
    def endpoint(self) -> str:
        """Give the address that clients dial."""
        return self._listener.address

    def start(self) -> None:
        """Serve; raise SocketTaken where another driver answers there, InvalidRequest where nobody can listen."""
        self._listener.bind(self._server)
        self._server.start()

    def stop(self, grace_seconds: float = 20.0) -> None:
        """Refuse new calls, wait for those at work, give the rest up, and remove the socket."""
        self._server.stop(grace_seconds).wait()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._listener.remove()
