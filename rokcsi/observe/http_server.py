"""An HTTP server on threads of its own: what the metrics port and the timeline's door for people have in common."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

from rokcsi.model.errors import SocketTaken

SILENT_SECONDS = 10.0
_PATIENCE_SECONDS = 10.0


class Exchange(BaseHTTPRequestHandler):
    """A request and its answer; whoever is silent for long is hung up on, and nothing of it is logged."""

    timeout = SILENT_SECONDS
    server_version = "rokcsi"
    sys_version = ""

    def answer(self, status: int, content_type: str, body: bytes) -> None:
        """Send an answer; to HEAD without its body."""
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
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, int(port)), exchange)
        except OSError as error:
            raise SocketTaken(f"nobody can listen on {address}: {error.strerror}; choose another {option}") from error


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
