"""What a claim's `rok/origin` says, as the switchboard reads it when it makes the claim's volume."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from rokcsi.kube.claim_objects import ORIGIN
from rokcsi.kube.connecting import read
from rokcsi.model.claims import NamespacedName


class KubernetesClaimOrigins:
    """Fits `rokcsi.model.claims.WrittenOrigins`."""

    def __init__(self, api: Any) -> None:
        self._core = client.CoreV1Api(api)

    def origin_of(self, claim: NamespacedName) -> str:
        """Give the annotation, empty where there is none; raise RosterAway."""
        found = read(self._core.read_namespaced_persistent_volume_claim, claim.name, claim.namespace)
        return str(((found or {"metadata": {}})["metadata"].get("annotations") or {}).get(ORIGIN, ""))
