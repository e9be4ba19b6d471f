"""The metrics port: /metrics for Prometheus, /healthz (alive) and /readyz (serving) for whoever watches."""

from __future__ import annotations

import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from rokcsi.model.errors import Unavailable
from rokcsi.observe.http_server import BackgroundServer

_PATIENCE_SECONDS = 10.0
_TEXT = "text/plain; charset=utf-8"


class MetricsPages(BackgroundServer):
    """An HTTP server on its own threads; `not_ready` gives why the driver does not serve, or None when it does."""

    def __init__(self, address: str, registry: CollectorRegistry, not_ready: Callable[[], str | None]) -> None:
        """Bind the address, HOST:PORT; raise Unavailable when somebody else has it."""
        host, _, port = address.rpartition(":")
        try:
            server = _Server((host.strip("[]"), int(port)), registry, not_ready)
        except OSError as error:
            raise Unavailable(
                f"cannot serve metrics on {address}: {error.strerror}; choose another --metrics"
            ) from error
        super().__init__(server, "metrics")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(
        self, address: tuple[str, int], registry: CollectorRegistry, not_ready: Callable[[], str | None]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.registry = registry
        self.not_ready = not_ready
        super().__init__(address, _Page)


class _Page(BaseHTTPRequestHandler):
    timeout = _PATIENCE_SECONDS
    server_version = "rokcsi"
    sys_version = ""

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, content_type, encode(server.registry))
        elif path == "/healthz":
            self._answer(200, _TEXT, b"ok\n")
        elif path == "/readyz":
            reason = server.not_ready()
            self._answer(503 if reason else 200, _TEXT, f"{reason or 'ok'}\n".encode())
        else:
            self._answer(404, _TEXT, b"there are /metrics, /healthz and /readyz\n")

    do_HEAD = do_GET  # noqa: N815 - http.server looks for this name

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape every few seconds is no event."""
