"""Where a clone goes: to the node that holds its source's data, said before the scheduler chooses, or against its choice.

The scheduler takes a node that is chosen already, and gives up one that is changed under
its hands; external-provisioner takes a wrong one away after it was refused. Both write only
what they have read last, and so do we: whoever comes second is refused and looks again.

external-provisioner can miss what is written right after it took a wrong node away: it puts
the claim as it wrote it into its cache, over a newer one that has come in meanwhile. A claim
that stays without a volume is therefore written again, so that it is seen again.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from dataclasses import dataclass

from rokcsi.model.claims import Claim, Claims, NamespacedName, PlacementLog, Places
from rokcsi.model.errors import (
    ClaimChanged,
    NodeForgotten,
    RosterAway,
    SourceNotReady,
    Unavailable,
)
from rokcsi.model.ids import PoolId
from rokcsi.timeline.telling import Telling
from rokcsi.timeline.whereabouts import REFUSED, Whereabouts

LOOK_AGAIN_SECONDS = 15.0
AWAY_SECONDS = 3.0
_SELDOM_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.5
_UNHEARD_SECONDS = 3.0  # a claim is bound within a few tenths of a second, by a provisioner that has seen its node
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Writes:
    """How often a claim was written, and when for the last time (monotonic seconds)."""

    first_pause: float
    count: int = 0
    at: float = 0.0

    def another(self) -> None:
        """Take note of one more."""
        self.count, self.at = self.count + 1, time.monotonic()

    def pause_seconds(self) -> float:
        """Give how long to wait before the next one: none, then the first pause, then twice that, and so on."""
        if not self.count:
            return 0.0
        pause = min(self.first_pause * 2.0 ** (self.count - 1), _SELDOM_SECONDS)
        return max(0.0, self.at + pause - time.monotonic())


class Placing:
    """Looks at one claim at a time and chooses its node."""

    def __init__(self, claims: Claims, places: Places, telling: Telling, log: PlacementLog) -> None:
        self._claims = claims
        self._whereabouts = Whereabouts(claims, places)
        self._telling = telling
        self._log = log
        self._stamps: dict[NamespacedName, _Writes] = {}
        self._reminders: dict[NamespacedName, _Writes] = {}

    def forget(self, name: NamespacedName) -> None:
        """Forget a claim that is bound or gone."""
        self._stamps.pop(name, None)
        self._reminders.pop(name, None)

    def look(self, claim: Claim) -> float | None:
        """Place a claim; give the seconds after which to look again, None where it is none of ours. Raises RosterAway."""
        try:
            pool = self._whereabouts.pool_of(claim)
        except SourceNotReady:
            return _pause_by_age(claim)
        except REFUSED as error:
            self._telling.tell(claim, "SourceRefused", str(error))
            return _SELDOM_SECONDS
        return None if pool is None else self._placed(claim, pool)

    def _placed(self, claim: Claim, pool: PoolId) -> float:
        try:
            node = self._whereabouts.node_of(pool)
        except RosterAway:
            raise
        except NodeForgotten as error:
            self._telling.tell(claim, "SourceNodeGone", f"{self._data_is_on(pool)}: {error}")
            return _SELDOM_SECONDS
        except Unavailable as error:
            if self._telling.is_due(claim, "SourceNodeAway"):
                self._telling.tell(
                    claim, "SourceNodeAway", f"{self._data_is_on(pool)}, and a clone waits for it: {error}"
                )
            return AWAY_SECONDS
        if claim.node != node:
            return self._stamped(claim, node)
        trouble = self._claims.trouble_of(node)
        if trouble:
            self._telling.tell(
                claim,
                "SourceNodeNotReady",
                f"the source's data is on node {node}, and a clone is made there: {trouble}",
            )
        return self._reminded(claim)

    def _stamped(self, claim: Claim, node: str) -> float:
        stamps = self._stamps.setdefault(claim.name, _Writes(_FIRST_PAUSE_SECONDS))
        pause = stamps.pause_seconds()
        if pause:
            return pause
        try:
            self._claims.stamp(claim, node)
        except ClaimChanged:  # what it has become comes in by the watch
            return LOOK_AGAIN_SECONDS
        stamps.another()
        self._reminders.pop(claim.name, None)
        self._log.placed(corrected=bool(claim.node))
        _log.info("placed a clone", extra={"claim": str(claim.name), "node": node, "instead_of": claim.node})
        return LOOK_AGAIN_SECONDS

    def _reminded(self, claim: Claim) -> float:
        """Write a claim again that has had its node for a while and no volume; give the seconds until the next time."""
        reminders = self._reminders.setdefault(claim.name, _Writes(_UNHEARD_SECONDS))
        if not reminders.count:
            reminders.another()  # it was written just now, with its node
        elif not reminders.pause_seconds():
            try:
                self._claims.remind(claim)
            except ClaimChanged:
                return LOOK_AGAIN_SECONDS
            reminders.another()
            _log.info("said a clone's node again", extra={"claim": str(claim.name), "node": claim.node})
        return min(reminders.pause_seconds(), LOOK_AGAIN_SECONDS)

    def _data_is_on(self, pool: PoolId) -> str:
        node = self._claims.node_of(pool)
        return f"the source's data is on node {node}" if node else f"the source's data is in the pool {pool}"


def _pause_by_age(claim: Claim) -> float:
    """Give a pause that grows with the claim's age: a source is mostly ready soon, or not for long."""
    age = (dt.datetime.now(dt.UTC) - claim.created).total_seconds()
    return min(max(_FIRST_PAUSE_SECONDS, age / 4), _SELDOM_SECONDS / 2)
