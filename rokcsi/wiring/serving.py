"""How a serving process waits and ends: the first signal drains, the second hurries."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import ExitStack
from types import FrameType
from typing import Protocol

from rokcsi.csi.server import Server

DRAIN_SECONDS = 20.0
_log = logging.getLogger(__name__)


class Stoppable(Protocol):
    """A server that lets running calls end; may be told so again with less patience."""

    def stop(self, grace_seconds: float) -> None:
        """Take no new call, give those at work the grace, end the rest."""


class Together:
    """Several servers that start one after the other and stop at the same time."""

    def __init__(self, *servers: Server) -> None:
        self._servers = servers

    def start(self) -> None:
        """Start all; where one cannot, those before it are stopped. Raises what `Server.start` does."""
        with ExitStack() as started:
            for server in self._servers:
                server.start()
                started.callback(server.stop, 0.0)
            started.pop_all()

    def stop(self, grace_seconds: float) -> None:
        """Stop all, each with the same grace."""
        stops = [threading.Thread(target=each.stop, args=(grace_seconds,), daemon=True) for each in self._servers]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()


class _Hurry(BaseException):
    """A second signal came while calls were still running; nobody but `drain` may catch it."""


class Signals:
    """SIGTERM and SIGINT, from the moment it is made (in the main thread)."""

    def __init__(self) -> None:
        self._first = threading.Event()
        self._draining = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._received)

    @property
    def arrived(self) -> bool:
        """Tell whether a signal has come."""
        return self._first.is_set()

    def wait(self) -> None:
        """Wait for the first signal."""
        self._first.wait()

    def drain(self, server: Stoppable) -> None:
        """Stop the server; a second signal ends the wait for its running calls."""
        self._draining = True
        try:
            server.stop(DRAIN_SECONDS)
            self._draining = False
        except _Hurry:
            _log.warning("calls left behind")
            server.stop(0.0)

    def _received(self, number: int, frame: FrameType | None) -> None:
        _ = frame
        _log.info("stopping", extra={"signal": signal.Signals(number).name})
        self._first.set()
        if self._draining:
            self._draining = False
            raise _Hurry
