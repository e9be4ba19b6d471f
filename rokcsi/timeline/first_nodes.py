"""A clone's node said while its claim is being made, so that the scheduler finds it there.

Only a short cut: it decides what `placing` would decide, tells owners nothing, and what it
cannot say at once is left to `placing`, which sees every claim that is there.
"""

from __future__ import annotations

import contextvars
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from rokcsi.model.claims import AtCreation, Claim, CreationLog
from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.errors import NodeForgotten, NotFound, RosterAway, SourceNotAllowed, SourceNotReady, Unavailable
from rokcsi.timeline.whereabouts import Whereabouts

ANSWER_SECONDS = 0.5
_WORKERS = 8
_OUTCOMES: tuple[tuple[type[Exception], AtCreation], ...] = (  # the first that fits
    (TimeoutError, AtCreation.TOO_LATE),
    (RosterAway, AtCreation.CLUSTER_AWAY),
    (NodeForgotten, AtCreation.NODE_AWAY),
    (Unavailable, AtCreation.NODE_AWAY),
    (SourceNotReady, AtCreation.SOURCE_NOT_READY),
    (SourceNotAllowed, AtCreation.SOURCE_REFUSED),
    (NotFound, AtCreation.SOURCE_REFUSED),
)
_log = logging.getLogger(__name__)


class TimelyFirstNodes:
    """Fits `rokcsi.model.claims.FirstNodes`; whoever makes a claim waits half a second at most."""

    def __init__(self, whereabouts: Whereabouts, log: CreationLog, seconds: float = ANSWER_SECONDS) -> None:
        self._whereabouts = whereabouts
        self._log = log
        self._seconds = seconds
        self._workers = ThreadPoolExecutor(_WORKERS, "first-nodes")

    def node_for(self, claim: Claim) -> str:
        """Give the node of its source's data, empty where nobody can say so in time; never raises."""
        try:
            node = self._in_time(claim)
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

    def _in_time(self, claim: Claim) -> str:
        """Have a worker find it: neither the API server's client nor a catalogue ends by our deadline. Raises TimeoutError."""
        with deadline(Deadline(time.monotonic() + self._seconds)):
            found = self._workers.submit(contextvars.copy_context().run, self._found, claim)
        try:
            return found.result(self._seconds)
        finally:
            found.cancel()  # what has not begun is wanted by nobody any more

    def _found(self, claim: Claim) -> str:
        pool = self._whereabouts.pool_of(claim)
        return "" if pool is None else self._whereabouts.node_of(pool)

    def _left(self, claim: Claim, error: Exception) -> None:
        outcome = next((each for kind, each in _OUTCOMES if isinstance(error, kind)), AtCreation.FAILED)
        self._log.at_creation(outcome)
        told = {"claim": str(claim.name), "reason": outcome.value, "error": str(error)}
        if outcome is AtCreation.FAILED:
            _log.error("unexpected; a clone's node is said later", exc_info=error, extra=told)
        else:
            _log.info("a clone's node is said later", extra=told)
