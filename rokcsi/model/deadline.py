"""How long the present call may take, and whether its caller is still there.

A door (the CSI server, say) sets it for the length of a call; whoever waits, for a lock
say, looks at it. Where nobody set one, there is no limit. What a call has to clean up is
done `beyond_the_call`: its end, or a caller who left, must not keep anybody from that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Deadline:
    """`at` is an instant of `time.monotonic()`, None for never; `caller_is_there` may be asked at any time.

    `owed` says that the work has to be done: it may wait however many others do.
    """

    at: float | None = None
    caller_is_there: Callable[[], bool] = _always
    owed: bool = False

    def remaining_seconds(self) -> float | None:
        """Give the seconds left, never below zero; None when there is no limit."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())


_CLEAN_UP_SECONDS = 10.0
_current: ContextVar[Deadline] = ContextVar("rokcsi_deadline", default=Deadline())  # noqa: B039 - frozen


def current_deadline() -> Deadline:
    """Give the deadline of the present call."""
    return _current.get()


@contextmanager
def deadline(limit: Deadline) -> Iterator[None]:
    """Let `limit` bind the present call (this thread's, this context's)."""
    token = _current.set(limit)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def beyond_the_call() -> Iterator[None]:
    """Bind clean-up by a limit of its own, whatever has become of the present call and of its caller."""
    with deadline(Deadline(time.monotonic() + _CLEAN_UP_SECONDS, owed=True)):
        yield
