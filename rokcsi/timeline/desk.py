"""The timeline's desk: what the watches bring is put on two agendas, one of claims and one of pods."""

from __future__ import annotations

from collections.abc import Collection

from rokcsi.model.claims import Claim, Claims, HomelessPod, NamespacedName, Notices, PlacementLog, Places
from rokcsi.timeline.agenda import Agenda
from rokcsi.timeline.homeless import PATIENCE_SECONDS, Homeless
from rokcsi.timeline.placing import Placing
from rokcsi.timeline.telling import Telling

_CLAIM_WORKERS = 8  # a pool whose node is away keeps one for three seconds


class Desk:
    """Takes claims and pods from any thread, and works on them in its own."""

    def __init__(self, claims: Claims, places: Places, notices: Notices, log: PlacementLog) -> None:
        telling = Telling(notices, log)
        self._placing = Placing(claims, places, telling, log)
        self._claims: Agenda[NamespacedName, Claim] = Agenda(self._placing.look, _CLAIM_WORKERS, "claims")
        self._pods: Agenda[tuple[NamespacedName, str], HomelessPod] = Agenda(Homeless(claims, telling).look, 1, "pods")

    def start(self) -> None:
        """Begin to work."""
        self._claims.start()
        self._pods.start()

    def stop(self) -> None:
        """Begin nothing more, and let what is under way end."""
        self._claims.stop()
        self._pods.stop()

    def waiting(self) -> int:
        """Give how many clones have no volume yet."""
        return len(self._claims)

    def claim_seen(self, claim: Claim) -> None:
        """Have a claim looked at."""
        self._claims.put(claim.name, claim)

    def claim_closed(self, name: NamespacedName) -> None:
        """Forget a claim."""
        self._claims.drop(name)
        self._placing.forget(name)

    def claims_are(self, names: Collection[NamespacedName]) -> None:
        """Forget all claims but these."""
        for name in set(self._claims.names()).difference(names):
            self.claim_closed(name)

    def pod_seen(self, pod: HomelessPod) -> None:
        """Have a pod looked at, some time after it was first seen."""
        self._pods.put((pod.name, pod.uid), pod, PATIENCE_SECONDS)
