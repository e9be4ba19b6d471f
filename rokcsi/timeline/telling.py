"""What owners of claims and snapshots hear, and how often: the same thing at once, and then every few minutes."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from rokcsi.model.claims import Notice, Notices, Owned, Refusals
from rokcsi.model.errors import RokcsiError

EVERY = dt.timedelta(minutes=5)
_FORGOTTEN_AFTER = dt.timedelta(hours=1)
_log = logging.getLogger(__name__)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Telling:
    """Passes notices on, each kind of a thing once in five minutes."""

    def __init__(self, notices: Notices, log: Refusals, clock: Callable[[], dt.datetime] = _now) -> None:
        self._notices = notices
        self._log = log
        self._clock = clock
        self._said: dict[tuple[str, str], Notice] = {}
        self._lock = threading.Lock()

    def is_due(self, thing: Owned, reason: str) -> bool:
        """Tell whether it is time to say so (again)."""
        said = self._said.get((thing.uid, reason))
        return said is None or self._clock() - said.last >= EVERY

    def tell(self, thing: Owned, reason: str, text: str) -> None:
        """Tell the owner of a thing, unless they were told lately; raise RosterAway, and then it is still to be told."""
        notice = self._next(thing, reason, text)
        if notice is None:
            return
        _log.warning("told an owner", extra={"claim": str(thing.name), "reason": reason, "text": text})
        try:
            self._notices.write(thing, notice)
        except RokcsiError:
            self._take_back(thing, notice)
            raise
        self._log.refused(reason)

    def _next(self, thing: Owned, reason: str, text: str) -> Notice | None:
        """Give what is to be told now, noted as said; None where it was told lately."""
        now = self._clock()
        with self._lock:
            if not self.is_due(thing, reason):
                return None
            before = self._said.get((thing.uid, reason))
            notice = Notice(reason, text, before.first if before else now, now, before.count + 1 if before else 1)
            self._said = {key: each for key, each in self._said.items() if now - each.last < _FORGOTTEN_AFTER}
            self._said[thing.uid, reason] = notice
            return notice

    def _take_back(self, thing: Owned, notice: Notice) -> None:
        """Have a notice that nobody has got told at the next look."""
        with self._lock:
            self._said[thing.uid, notice.reason] = replace(notice, last=notice.last - EVERY, count=notice.count - 1)
