"""Locks by key: whoever works on a thing keeps others waiting, and only those.

A key is held by one exclusively, or by several who share it. Waiters take their turns in
the order they came, wait no longer than the present call's deadline, and are bounded in
number, so that a server always has threads left for calls that need no turn. A key that
nobody holds or waits for costs nothing: its record is dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import Busy, CallerGone, LockTimeout


@dataclass(eq=False, slots=True)
class _Waiter:
    exclusive: bool
    turn: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Key:
    """Who holds one key, and who waits for it."""

    holders: int = 0
    exclusively: bool = False
    queue: deque[_Waiter] = field(default_factory=deque)

    def admits(self, *, exclusive: bool) -> bool:
        return self.holders == 0 or not (exclusive or self.exclusively)

    def take(self, *, exclusive: bool) -> None:
        self.holders += 1
        self.exclusively = exclusive

    def give_turns(self) -> None:
        while self.queue and self.admits(exclusive=self.queue[0].exclusive):
            waiter = self.queue.popleft()
            self.take(exclusive=waiter.exclusive)
            waiter.turn.set()


class KeyedLocks:
    """One lock a key, not reentrant; at most `most_waiting` threads wait over all keys."""

    def __init__(self, most_waiting: int | None = None) -> None:
        self._most_waiting = most_waiting
        self._mutex = threading.Lock()
        self._keys: dict[str, _Key] = {}
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many threads wait now."""
        return self._waiting

    @property
    def keys_in_use(self) -> int:
        """How many keys are held or waited for now."""
        return len(self._keys)

    @contextmanager
    def held(self, exclusive: Iterable[str], shared: Iterable[str] = ()) -> Iterator[None]:
        """Hold all these keys, taken in sorted order; a key in both is held exclusively.

        Raises LockTimeout at the call's deadline, Busy when too many wait already, and
        CallerGone when the caller gave up before its turn came. Nothing is held then.
        """
        wanted = {**dict.fromkeys(shared, False), **dict.fromkeys(exclusive, True)}
        with ExitStack() as stack:
            for key in sorted(wanted):
                self._acquire(key, exclusive=wanted[key])
                stack.callback(self._release, key)
            if not current_deadline().caller_is_there():
                raise CallerGone("the caller gave up before its turn came; nothing was done")
            yield

    def _acquire(self, key: str, *, exclusive: bool) -> None:
        with self._mutex:
            lock = self._keys.setdefault(key, _Key())
            if not lock.queue and lock.admits(exclusive=exclusive):
                lock.take(exclusive=exclusive)
                return
            waiter = self._queued(lock, exclusive=exclusive)
        self._wait(key, lock, waiter)

    def _queued(self, lock: _Key, *, exclusive: bool) -> _Waiter:
        full = self._most_waiting is not None and self._waiting >= self._most_waiting
        if full and not current_deadline().owed:
            raise Busy(f"{self._waiting} calls wait for others already; try again in a second")
        waiter = _Waiter(exclusive)
        lock.queue.append(waiter)
        self._waiting += 1
        return waiter

    def _wait(self, key: str, lock: _Key, waiter: _Waiter) -> None:
        try:
            waiter.turn.wait(current_deadline().remaining_seconds())
        except BaseException:  # an interrupt, KeyboardInterrupt say, must not keep a place in the queue
            if not self._left_queue(key, lock, waiter):
                self._release(key)
            raise
        if self._left_queue(key, lock, waiter):
            raise LockTimeout("another call is at work on the same thing and has not ended in time; try again")

    def _left_queue(self, key: str, lock: _Key, waiter: _Waiter) -> bool:
        """Stop waiting; tell whether the turn had not come."""
        with self._mutex:
            self._waiting -= 1
            if waiter.turn.is_set():
                return False
            lock.queue.remove(waiter)
            self._go_on(key, lock)
            return True

    def _release(self, key: str) -> None:
        with self._mutex:
            lock = self._keys[key]
            lock.holders -= 1
            self._go_on(key, lock)

    def _go_on(self, key: str, lock: _Key) -> None:
        lock.give_turns()
        if lock.holders == 0 and not lock.queue:
            del self._keys[key]
