"""A wire to a node that can be cut without a word: both ends stay connected, and nothing comes through any more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Wire:
    """Passes bytes to and fro between `address` and a node, until it is cut."""

    node: str
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    ends: list[socket.socket] = field(default_factory=list)
    whole: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def cut(self) -> None:
        """Let nothing through from now on."""
        self.whole.clear()

    def accept(self) -> None:
        """Connect whoever dials, until the listener is closed."""
        host, _, port = self.node.rpartition(":")
        with suppress(OSError):
            while True:
                dialled, _ = self.listener.accept()
                self.whole.wait()
                reached = socket.create_connection((host, int(port)))
                self.ends += [dialled, reached]
                for source, target in ((dialled, reached), (reached, dialled)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 16):
                self.whole.wait()
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)


@contextmanager
def wire(node: str) -> Iterator[Wire]:
    """Lay a wire to a node's address for the length of the block."""
    laid = Wire(node)
    laid.whole.set()
    threading.Thread(target=laid.accept, daemon=True).start()
    try:
        yield laid
    finally:
        laid.whole.set()
        for each in (laid.listener, *laid.ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
