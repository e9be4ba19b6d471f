"""Where the data of a claim's source is: source → handle → pool → node, the same for claims that are there and that come."""

from __future__ import annotations

from rokcsi.model.claims import Claim, Claims, Places, SourceKind
from rokcsi.model.errors import CatalogUnreadable, NotFound, SourceNotAllowed
from rokcsi.model.ids import PoolId, pool_of_snapshot, pool_of_volume

REFUSED = (SourceNotAllowed, NotFound, CatalogUnreadable)  # the source cannot be had, as things are


class Whereabouts:
    """Asks the cluster and the nodes anew each time; safe for many threads."""

    def __init__(self, claims: Claims, places: Places) -> None:
        self._claims = claims
        self._places = places

    def pool_of(self, claim: Claim) -> PoolId | None:
        """Give the pool that it has to be made in, None where it is none of ours.

        Raises SourceNotReady, RosterAway, and what is REFUSED.
        """
        if not self._claims.waits_for_us(claim):
            return None
        handle = self._claims.handle_of_source(claim)
        return pool_of_volume(handle) if claim.source.kind is SourceKind.VOLUME else pool_of_snapshot(handle)

    def node_of(self, pool: PoolId) -> str:
        """Give the node that serves a pool; raise PoolElsewhere, PoolDisputed, NodeForgotten, RosterAway."""
        return self._places.node_of(pool)
