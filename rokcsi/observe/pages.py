"""The metrics port: /metrics for Prometheus, /healthz (alive) and /readyz (serving) for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from rokcsi.observe.http_server import BackgroundServer, BoundServer, Exchange

_TEXT = "text/plain; charset=utf-8"


class MetricsPages(BackgroundServer):
    """An HTTP server on its own threads; `not_ready` gives why the driver does not serve, or None when it does."""

    def __init__(self, address: str, registry: CollectorRegistry, not_ready: Callable[[], str | None]) -> None:
        """Bind the address, HOST:PORT; raise SocketTaken when somebody else has it."""
        super().__init__(_Server(address, registry, not_ready), "metrics")


class _Server(BoundServer):
    def __init__(self, address: str, registry: CollectorRegistry, not_ready: Callable[[], str | None]) -> None:
        self.registry = registry
        self.not_ready = not_ready
        super().__init__(address, _Page, "--metrics")


class _Page(Exchange):
    def do_GET(self) -> None:  # noqa: N802 - http.server looks for this name
        server = cast("_Server", self.server)
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self.answer(200, content_type, encode(server.registry))
        elif path == "/healthz":
            self.answer(200, _TEXT, b"ok\n")
        elif path == "/readyz":
            reason = server.not_ready()
            self.answer(503 if reason else 200, _TEXT, f"{reason or 'ok'}\n".encode())
        else:
            self.answer(404, _TEXT, b"there are /metrics, /healthz and /readyz\n")

    do_HEAD = do_GET  # noqa: N815 - http.server looks for this name
