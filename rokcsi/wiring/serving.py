"""How a serving process waits and ends: the first signal drains, the second hurries."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Protocol

DRAIN_SECONDS = 20.0
_log = logging.getLogger(__name__)


class Stoppable(Protocol):
    """A server that lets running calls end; may be told so again with less patience."""

    def stop(self, grace_seconds: float) -> None:
        """Take no new call, give those at work the grace, end the rest."""


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
