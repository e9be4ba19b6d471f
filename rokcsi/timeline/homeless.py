"""Pods that cannot be where their clone's data is: the claim's owner hears which node it is, and what the scheduler says."""

from __future__ import annotations

from rokcsi.model.claims import Claims, HomelessPod
from rokcsi.timeline.telling import Telling

PATIENCE_SECONDS = 15.0  # so long the scheduler and the placing may disagree
REASON = "PodCannotReachData"


class Homeless:
    """Looks at pods some time after the scheduler found no node for them."""

    def __init__(self, claims: Claims, telling: Telling) -> None:
        self._claims = claims
        self._telling = telling

    def look(self, seen: HomelessPod) -> float | None:
        """Tell the owners of a pod's clones, if it still has no node; give when to look again. Raises RosterAway."""
        pod = self._claims.pod(seen.name)
        if pod is None or pod.uid != seen.uid:
            return None
        for name in pod.claims:
            claim = self._claims.claim(name)
            if claim is not None and claim.node and self._claims.waits_for_us(claim):
                self._telling.tell(
                    claim,
                    REASON,
                    f"the source's data is on node {claim.node}, so pod {pod.name.name} has to run there,"
                    f" and the scheduler says: {pod.why}",
                )
        return PATIENCE_SECONDS * 4
