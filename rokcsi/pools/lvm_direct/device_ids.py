"""The numbers of thin devices: which are free, and which may belong to a device that has no record yet.

Called by `ledger`. A number is taken only while the journal says durably that it may be in
use without a record (the lease). So after a crash a device without a record is ours to
remove if its number is in the lease, and nobody's if it is not: then a record was lost, and its
bytes are kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from rokcsi.model.errors import PoolFull
from rokcsi.system.thin_pool import HIGHEST_ID

LEASE = 256
_FIRST = 1  # 0 is the journal's own device


class DeviceIds:
    """Numbers that are used, in flight, or leased and free; the caller holds a lock."""

    def __init__(self, used: Iterable[int], leased: Iterable[int]) -> None:
        self._used = set(used)
        self._in_flight: set[int] = set()
        self._leased = deque(id_ for id_ in leased if id_ not in self._used)
        self._next = max(self._used, default=0) + 1

    @property
    def free(self) -> int:
        """How many numbers can be taken before a new lease is needed."""
        return len(self._leased)

    def take(self) -> int:
        """Give a number that no device has; only while `free`."""
        id_ = self._leased.popleft()
        self._in_flight.add(id_)
        return id_

    def settle(self, id: int) -> None:
        """Say that a number has its record now."""
        self._in_flight.discard(id)
        self._used.add(id)

    def give_back(self, id: int) -> None:
        """Say that there is no device of a number, and no record."""
        self._in_flight.discard(id)
        self._used.discard(id)

    def avoid(self, others: Iterable[int]) -> None:
        """Never give numbers that somebody else's devices have."""
        self._used.update(others)
        self._leased = deque(id_ for id_ in self._leased if id_ not in self._used)

    def offer(self) -> list[int]:
        """Give the numbers of a new lease: those in flight, those still free, and fresh ones; raise PoolFull."""
        found: list[int] = []
        candidate = self._next
        for _ in range(HIGHEST_ID):
            if len(found) == LEASE:
                break
            candidate = candidate if _FIRST <= candidate <= HIGHEST_ID else _FIRST
            if candidate not in self._used and candidate not in self._in_flight and candidate not in self._leased:
                found.append(candidate)
            candidate += 1
        if not found:
            raise PoolFull("the pool has as many volumes and snapshots as a thin pool can number; delete some")
        return [*self._in_flight, *self._leased, *found]

    def lease(self, offered: Iterable[int]) -> None:
        """Use a lease that is durable now."""
        known = set(self._leased)
        fresh = [id_ for id_ in offered if id_ not in self._in_flight and id_ not in self._used and id_ not in known]
        self._leased.extend(fresh)
        self._next = max(fresh, default=self._next - 1) + 1
