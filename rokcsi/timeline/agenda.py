"""What has to be looked at, and when: each thing by one thread at a time, whatever comes in meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from rokcsi.model.errors import CatalogUnreadable, RokcsiError

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
AFTER_FAILURE_SECONDS = 5.0
UNREADABLE_SECONDS = 60.0  # somebody has to see to it first
_MOST_DOUBLINGS = 3  # what a node that is away keeps waiting must not keep the others from their looks
_log = logging.getLogger(__name__)


class Agenda(Generic[K, T]):
    """Threads that call `look(name, thing)` when it is due; `look` gives the seconds until the next look, or None."""

    def __init__(self, look: Callable[[T], float | None], workers: int, name: str) -> None:
        self._look = look
        self._things: dict[K, T] = {}
        self._due: dict[K, float] = {}
        self._busy: set[K] = set()
        self._failures: dict[K, int] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(workers)
        ]

    def start(self) -> None:
        """Begin to look."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Look at nothing any more; what is being looked at comes to its end."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():  # what was never started cannot be waited for
                thread.join(AFTER_FAILURE_SECONDS)

    def put(self, name: K, thing: T, seconds: float = 0.0) -> None:
        """Have a thing looked at, as it is now; one that is on the agenda is brought forward, never put off."""
        with self._changed:
            at = time.monotonic() + seconds
            self._things[name] = thing
            self._due[name] = min(at, self._due.get(name, at))
            self._changed.notify_all()

    def drop(self, name: K) -> None:
        """Take a thing off."""
        with self._changed:
            self._forget(name)

    def __len__(self) -> int:
        return len(self._things)

    def names(self) -> list[K]:
        """Give what is on the agenda."""
        with self._changed:
            return list(self._things)

    def _work(self) -> None:
        while (name := self._next()) is not None:
            thing = self._things.get(name)
            again = None if thing is None else self._looked_at(name, thing)
            self._put_back(name, thing, again)

    def _next(self) -> K | None:
        """Wait for the next thing that is due and that nobody is at work on; None at the end."""
        with self._changed:
            while not self._ended:
                free = {name: at for name, at in self._due.items() if name not in self._busy}
                name = min(free, key=lambda each: free[each], default=None)
                wait = None if name is None else free[name] - time.monotonic()
                if name is not None and wait is not None and wait <= 0:
                    del self._due[name]
                    self._busy.add(name)
                    return name
                self._changed.wait(wait)
        return None

    def _looked_at(self, name: K, thing: T) -> float | None:
        try:
            again = self._look(thing)
        except CatalogUnreadable as error:
            _log.warning("waits for a catalogue", extra={"error": str(error)})
            return UNREADABLE_SECONDS
        except RokcsiError as error:
            _log.warning("will be tried again", extra={"error": str(error)})
        except Exception:  # noqa: BLE001 - one thing that is strange must not keep the others waiting
            _log.exception("unexpected; will be tried again")
        else:
            self._failures.pop(name, None)
            return again
        return self._after_failure(name)

    def _after_failure(self, name: K) -> float:
        """Give when to look again: twice as long after each failure in a row, to some times the first pause."""
        failed = self._failures.get(name, 0)
        self._failures[name] = min(failed + 1, _MOST_DOUBLINGS)
        return AFTER_FAILURE_SECONDS * 2.0**failed

    def _forget(self, name: K) -> None:
        for each in (self._things, self._due, self._failures):
            each.pop(name, None)

    def _put_back(self, name: K, thing: T | None, again: float | None) -> None:
        with self._changed:
            self._busy.discard(name)
            there = self._things.get(name)
            if there is thing and again is not None:
                self._due.setdefault(name, time.monotonic() + again)
            elif there is None or (there is thing and name not in self._due):
                self._forget(name)
            self._changed.notify_all()
