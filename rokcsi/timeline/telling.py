"""What owners of claims hear, and how often: the same thing at once, and then every few minutes."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from rokcsi.model.claims import Claim, Notice, Notices, PlacementLog

EVERY = dt.timedelta(minutes=5)
_FORGOTTEN_AFTER = dt.timedelta(hours=1)
_log = logging.getLogger(__name__)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Telling:
    """Passes notices on, each kind of a claim once in five minutes."""

    def __init__(self, notices: Notices, log: PlacementLog, clock: Callable[[], dt.datetime] = _now) -> None:
        self._notices = notices
        self._log = log
        self._clock = clock
        self._said: dict[tuple[str, str], Notice] = {}
        self._lock = threading.Lock()

    def is_due(self, claim: Claim, reason: str) -> bool:
        """Tell whether it is time to say so (again)."""
        said = self._said.get((claim.uid, reason))
        return said is None or self._clock() - said.last >= EVERY

    def tell(self, claim: Claim, reason: str, text: str) -> None:
        """Tell the claim's owner, unless they were told lately; raise RosterAway."""
        now = self._clock()
        with self._lock:
            if not self.is_due(claim, reason):
                return
            before = self._said.get((claim.uid, reason))
            notice = Notice(reason, text, before.first if before else now, now, before.count + 1 if before else 1)
            self._said = {key: each for key, each in self._said.items() if now - each.last < _FORGOTTEN_AFTER}
            self._said[claim.uid, reason] = replace(notice)
        _log.warning("told a claim's owner", extra={"claim": str(claim.name), "reason": reason, "text": text})
        self._log.refused(reason)
        self._notices.write(claim, notice)
