"""Trims the volumes in use about once a day: a notebook may stay for months, and what it deletes is to come back.

It is safe beside everything else. Only blocks that are free in the file system's committed
log are given back, so a crash or a snapshot in the middle loses nothing; each part is short, and
done under the lock of the volume's node side, so that no unmount meets it; stopping
waits for one part at most.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from types import TracebackType

DAY_SECONDS = 86400.0
_PAUSE_SECONDS = 0.01  # between two parts: pods come first
_STOP_SECONDS = 5.0


class DailyTrim:
    """A thread for the length of a block; `trim` works on while what it is given says so."""

    def __init__(self, trim: Callable[[Callable[[], bool]], None], day_seconds: float = DAY_SECONDS) -> None:
        self._trim = trim
        self._day_seconds = day_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="daily-trim", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_STOP_SECONDS)

    def _work(self) -> None:
        # Anywhere in the first day: a driver that is started every morning trims as often as one that runs for months.
        wait = self._day_seconds * random.random()  # noqa: S311 - no secret, only spread
        while not self._stop.wait(wait):
            self._trim(self._goes_on)
            wait = self._day_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - as above

    def _goes_on(self) -> bool:
        return not self._stop.wait(_PAUSE_SECONDS)
