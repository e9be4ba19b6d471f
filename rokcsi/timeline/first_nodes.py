"""A clone's node said while its claim is being made, so that the scheduler finds it there.

Only a short cut: it decides what `placing` would decide, tells owners nothing, and what it
cannot say at once is left to `placing`, which sees every claim that is there. Clones come in
crowds, many of one source: those of one second share an answer.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from rokcsi.model.claims import AtCreation, Claim, CreationLog, Source
from rokcsi.model.deadline import Deadline, current_deadline, deadline
from rokcsi.model.errors import NodeForgotten, RosterAway, SourceNotReady, Unavailable
from rokcsi.timeline.whereabouts import REFUSED, Whereabouts

ANSWER_SECONDS = 0.5
SHARED_SECONDS = 1.0
_WORKERS = 8
_OUTCOMES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], AtCreation], ...] = (  # the first that fits
    (TimeoutError, AtCreation.TOO_LATE),
    (RosterAway, AtCreation.CLUSTER_AWAY),
    (NodeForgotten, AtCreation.NODE_AWAY),
    (Unavailable, AtCreation.NODE_AWAY),
    (SourceNotReady, AtCreation.SOURCE_NOT_READY),
    (REFUSED, AtCreation.SOURCE_REFUSED),
)
_Alike = tuple[str, str, Source]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Search:
    """What is being found out, or has been, since an instant of `time.monotonic()`."""

    since: float
    node: Future[str]

    def is_over(self) -> bool:
        """Tell whether it serves nobody any more: it is too old, or there is no answer in it."""
        failed = self.node.done() and self.node.exception() is not None
        return failed or time.monotonic() - self.since > SHARED_SECONDS


class TimelyFirstNodes:
    """Fits `rokcsi.model.claims.FirstNodes`; whoever makes a claim waits half a second at most."""

    def __init__(self, whereabouts: Whereabouts, log: CreationLog, seconds: float = ANSWER_SECONDS) -> None:
        self._whereabouts = whereabouts
        self._log = log
        self._seconds = seconds
        self._workers = ThreadPoolExecutor(_WORKERS, "first-nodes")
        self._searches: dict[_Alike, _Search] = {}
        self._lock = threading.Lock()

    def node_for(self, claim: Claim) -> str:
        """Give the node of its source's data, empty where nobody can say so in time; never raises."""
        try:
            with deadline(Deadline(time.monotonic() + self._seconds)):
                node = self._searched(claim).result(self._seconds)
        except Exception as error:  # noqa: BLE001 - a short cut that fails must not keep anybody from making a claim
            self._left(claim, error)
            return ""
        self._log.at_creation(AtCreation.PLACED if node else AtCreation.NOT_OURS)
        if node:
            _log.info("placed a clone at its creation", extra={"claim": str(claim.name), "node": node})
        return node

    def stop(self) -> None:
        """Begin nothing more."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _searched(self, claim: Claim) -> Future[str]:
        """Have a worker find it, once for all that are alike: neither the client's calls nor a catalogue end by our deadline."""
        alike = claim.name.namespace, claim.storage_class, claim.source
        with self._lock:
            self._searches = {key: each for key, each in self._searches.items() if not each.is_over()}
            if alike not in self._searches:
                node = self._workers.submit(contextvars.copy_context().run, self._found, claim)
                self._searches[alike] = _Search(time.monotonic(), node)
            return self._searches[alike].node

    def _found(self, claim: Claim) -> str:
        if current_deadline().remaining_seconds() == 0:
            raise TimeoutError("nobody waits for it any more")
        pool = self._whereabouts.pool_of(claim)
        return "" if pool is None else self._whereabouts.node_of(pool)

    def _left(self, claim: Claim, error: Exception) -> None:
        outcome = next((each for kind, each in _OUTCOMES if isinstance(error, kind)), AtCreation.FAILED)
        self._log.at_creation(outcome)
        told = {"claim": str(claim.name), "reason": outcome.value, "error": str(error) or type(error).__name__}
        if outcome is AtCreation.FAILED:
            _log.error("unexpected; a clone's node is said later", exc_info=error, extra=told)
        else:
            _log.info("a clone's node is said later", extra=told)
