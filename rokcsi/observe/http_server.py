"""An HTTP server on threads of its own: what the metrics port and the timeline's door for people have in common.

Each exchange has a thread, and there are few: a request has to be there as a whole within some
seconds, so that nobody keeps a thread by sending it letter by letter.
"""

from __future__ import annotations

import io
import logging
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

from rokcsi.model.errors import SocketTaken

_REQUEST_SECONDS = 10.0
_MOST_AT_ONCE = 32
_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 10.0


class _Hurried(io.RawIOBase):
    """What comes over a connection, until a number of seconds is over; TimeoutError after that."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for some bytes, and no longer than is left."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request has not come in time")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Exchange(BaseHTTPRequestHandler):
    """A request and its answer; whoever is slow at either is hung up on, and nothing of it is logged."""

    server_version = "rokcsi"
    sys_version = ""

    def setup(self) -> None:
        """Take the connection, and the time."""
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Hurried(self.connection, _REQUEST_SECONDS))

    def answer(self, status: int, content_type: str, body: bytes) -> None:
        """Send an answer; to HEAD without its body."""
        self.connection.settimeout(_REQUEST_SECONDS)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape every few seconds is no event, and a token may be in the rest."""


class BoundServer(ThreadingHTTPServer):
    """Listens at HOST:PORT, [HOST]:PORT for IPv6, and has a thread for each exchange.

    Raises SocketTaken where nobody can listen there; `option` is what chooses another address.
    """

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: str, exchange: type[Exchange], option: str) -> None:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        self.places = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, int(port)), exchange)
        except OSError as error:
            raise SocketTaken(f"nobody can listen on {address}: {error.strerror}; choose another {option}") from error

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hang up on those for whom there is no thread left: they ask again."""
        if not self.places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread can be begun, say
            self.places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Prepare the connection in the exchange's own thread, so that nobody who is slow at it keeps others waiting."""
        try:
            request.settimeout(_REQUEST_SECONDS)
            prepared = self.prepared(request)
        except (OSError, ValueError):
            self.shutdown_request(request)
        else:
            super().process_request_thread(prepared, client_address)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what nobody foresaw; a caller who hung up is no event."""
        del request, client_address
        if not isinstance(sys.exception(), OSError):
            _log.exception("unexpected")

    def prepared(self, request: Any) -> Any:
        """Give what the exchange speaks over; raises OSError, ValueError, and then nobody is answered."""
        return request


class BackgroundServer:
    """Serves from `start` to `stop`; the address is bound already."""

    def __init__(self, server: HTTPServer, name: str) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name=name, daemon=True)

    @property
    def address(self) -> str:
        """Give HOST:PORT, with the port that was taken when 0 was asked for."""
        host, port = self._server.server_address[:2]
        return f"[{host!s}]:{port}" if self._server.address_family == socket.AF_INET6 else f"{host!s}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and give the port back."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(_PATIENCE_SECONDS)
        self._server.server_close()
