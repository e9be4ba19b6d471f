"""Whether anybody can have written to a volume since an instant: only who was there all the time can tell.

Pods come and go without being recorded where no checkpoint is wanted. So every passage is
noted here, in memory, and nothing is claimed of the time before this process, or of a time
in which a node could not reach it.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable

MARGIN = dt.timedelta(minutes=1)  # how far the clocks of nodes and cluster may be apart
MOST_REMEMBERED = 10_000


class Witness:
    """Notes who may write to which volume (by handle); safe for many threads."""

    def __init__(self, clock: Callable[[], dt.datetime]) -> None:
        self._clock = clock
        self._since = clock()
        self._lock = threading.Lock()
        self._present: dict[str, set[str]] = {}
        self._last_left: dict[str, dt.datetime] = {}  # the one that was left longest ago first

    def entered(self, pod: str, volumes: Iterable[str]) -> None:
        """Take note that a pod (its UID) may write to these volumes from now on."""
        with self._lock:
            for volume in volumes:
                self._present.setdefault(volume, set()).add(pod)

    def left(self, pod: str) -> None:
        """Take note that a pod writes to nothing any more."""
        with self._lock:
            for volume in [each for each, pods in self._present.items() if pod in pods]:
                self._present[volume].discard(pod)
                self._last_left.pop(volume, None)
                self._last_left[volume] = self._clock()
                if not self._present[volume]:
                    del self._present[volume]
            self._forget_the_oldest()

    def untouched(self, volume: str, since: dt.datetime, *, besides: str, answered_since: dt.datetime | None) -> bool:
        """Tell whether it is certain that nobody besides one pod can have written since an instant.

        `answered_since` is since when the volume's node has told of every pod; None for never.
        """
        if answered_since is None or max(self._since, answered_since) + MARGIN > since:
            return False
        with self._lock:
            others = self._present.get(volume, set()) - {besides}
            left = self._last_left.get(volume)
        return not others and (left is None or left + MARGIN < since)

    def _forget_the_oldest(self) -> None:
        """Keep so many volumes; of the time in which a forgotten one was left nothing is claimed, whatever the volume."""
        while len(self._last_left) > MOST_REMEMBERED:
            self._since = max(self._since, self._last_left.pop(next(iter(self._last_left))))
