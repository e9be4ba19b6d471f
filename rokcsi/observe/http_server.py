"""An HTTP server on threads of its own: what the metrics port and the timeline's door for people have in common."""

from __future__ import annotations

import threading
from http.server import HTTPServer

_PATIENCE_SECONDS = 10.0


class BackgroundServer:
    """Serves from `start` to `stop`; the address is bound already."""

    def __init__(self, server: HTTPServer, name: str) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name=name, daemon=True)

    @property
    def address(self) -> str:
        """Give HOST:PORT, with the port that was taken when 0 was asked for."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and give the port back."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(_PATIENCE_SECONDS)
        self._server.server_close()
