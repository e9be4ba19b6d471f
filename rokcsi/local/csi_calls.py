"""One CSI call with patience: a deadline for each try, and more tries where the driver says "still working".

CSI's calls may all be repeated, so a lost answer costs nothing but the repetition.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from rokcsi.local.csi_errors import NOTHING_SPECIAL, code_of, details_of, error_of
from rokcsi.model.errors import DriverAway, RokcsiError

_STILL_WORKING = frozenset(
    {grpc.StatusCode.ABORTED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
)
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.0
# gRPC waits a second and more before it connects again; a driver that restarts is back sooner.
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one try may take; how long a busy driver is asked again, and one that does not answer at all."""

    try_seconds: float = 120.0
    busy_seconds: float = 240.0
    away_seconds: float = 5.0


def open_channel(socket: Path) -> grpc.Channel:
    """Give a channel to the driver's socket; nothing is dialled before the first call."""
    return grpc.insecure_channel(f"unix://{socket}", options=_CHANNEL_OPTIONS)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response message with the metadata that came after it."""

    message: Any
    trailing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls on one socket; `how_to_start` is the command that an error tells the user."""

    socket: Path
    how_to_start: str
    patience: Patience = Patience()

    def __call__(
        self,
        method: Callable[..., Any],
        request: Any,
        special: Mapping[grpc.StatusCode, type[RokcsiError]] = NOTHING_SPECIAL,
        beside: Sequence[tuple[str, bytes]] = (),
    ) -> Answer:
        """Make a call, with metadata `beside` it; raise our error for the driver's status, DriverAway where nobody answers."""
        started, pause = time.monotonic(), _FIRST_PAUSE_SECONDS
        while True:
            try:
                message, call = method.with_call(request, timeout=self.patience.try_seconds, metadata=beside)  # type: ignore[attr-defined]  # grpc's callables have it
            except grpc.RpcError as refused:
                if code_of(refused) not in _STILL_WORKING or self._is_over(refused, time.monotonic() - started):
                    raise self._error(refused, special) from refused
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            else:
                return Answer(message, {key: _text(value) for key, value in call.trailing_metadata() or ()})

    def _is_over(self, refused: grpc.RpcError, waited_seconds: float) -> bool:
        away = code_of(refused) is grpc.StatusCode.UNAVAILABLE
        return waited_seconds > (self.patience.away_seconds if away else self.patience.busy_seconds)

    def _error(self, refused: grpc.RpcError, special: Mapping[grpc.StatusCode, type[RokcsiError]]) -> RokcsiError:
        if code_of(refused) is not grpc.StatusCode.UNAVAILABLE:
            return error_of(refused, special)
        return DriverAway(
            f"no driver answers on {self.socket} ({details_of(refused)}); start it with: {self.how_to_start}"
        )


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
