"""A few threads that stay, for system calls that should go on side by side.

Called by `freezing` and by the pool. Starting a thread inside a freeze window would cost
more than many of the calls it is for; a hand-over to a waiting one costs some 30 µs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

Deed = Callable[[], None]


class Crew:
    """Runs deeds side by side; the caller works along, so that a busy crew only makes it slower."""

    def __init__(self, size: int = 16) -> None:
        self._size = size
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="rokcsi-crew")

    def run(self, deeds: Sequence[Deed]) -> list[Exception | None]:
        """Run all deeds to their end, whatever fails; give what each has raised, in their order."""
        round_ = _Round(deeds)
        for _ in range(min(len(deeds) - 1, self._size)):
            self._threads.submit(round_.work)
        round_.work()
        round_.done.wait()
        return round_.outcomes

    def close(self) -> None:
        """Let the threads end once they are idle."""
        self._threads.shutdown(wait=False)


class _Round:
    """Deeds of one call, taken one by one by whoever is free."""

    def __init__(self, deeds: Sequence[Deed]) -> None:
        self.outcomes: list[Exception | None] = [None] * len(deeds)
        self.done = threading.Event()
        self._left = len(deeds)
        self._deeds = deeds
        self._next = iter(range(len(deeds)))
        self._mutex = threading.Lock()
        if not deeds:
            self.done.set()

    def work(self) -> None:
        while (index := self._take()) is not None:
            try:
                self._deeds[index]()
            except Exception as error:  # noqa: BLE001 - handed to the caller of run, who raises it
                self.outcomes[index] = error
            self._finish_one()

    def _take(self) -> int | None:
        with self._mutex:
            return next(self._next, None)

    def _finish_one(self) -> None:
        with self._mutex:
            self._left -= 1
            if self._left == 0:
                self.done.set()
