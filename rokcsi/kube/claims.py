"""Claims, the pods that wait for them, and nodes, in a Kubernetes cluster."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from kubernetes import client

from rokcsi.kube.claim_objects import REMINDED, SELECTED_NODE, read_claim, read_pod
from rokcsi.kube.claim_sources import ClaimSources
from rokcsi.kube.connecting import CONFLICT, MISSING, asked, read, status_of
from rokcsi.kube.node_objects import ready_condition
from rokcsi.kube.volume_places import node_of_pool
from rokcsi.model.claims import Claim, HomelessPod, NamespacedName, SourceKind
from rokcsi.model.errors import ClaimChanged, InvalidRequest, RosterAway, SourceNotAllowed
from rokcsi.model.ids import PoolId
from rokcsi.model.visits import Origins


class KubernetesClaims:
    """Asks the API server anew each time; safe for many threads."""

    def __init__(self, api: Any, driver: str, origins: Origins | None = None) -> None:
        self._core = client.CoreV1Api(api)
        self._storage = client.StorageV1Api(api)
        self._sources = ClaimSources(api, driver)
        self._driver = driver
        self._origins = origins

    def waits_for_us(self, claim: Claim) -> bool:
        """Tell whether its StorageClass is ours and waits for the first consumer; raise RosterAway."""
        found = read(self._storage.read_storage_class, claim.storage_class) or {}
        mode = found.get("volumeBindingMode")
        return found.get("provisioner") == self._driver and mode == "WaitForFirstConsumer"

    def handle_of_source(self, claim: Claim) -> str:
        """Give the CSI handle of its source; raise SourceNotReady, SourceNotAllowed, RosterAway, CatalogUnreadable."""
        if claim.source.kind is SourceKind.ORIGIN:
            return self._handle_of_origin(claim)
        return self._sources.handle_of(claim)

    def _handle_of_origin(self, claim: Claim) -> str:
        if self._origins is None:
            raise SourceNotAllowed(f"{SourceKind.ORIGIN.value} is not heard: the timeline takes no checkpoints here")
        try:
            return self._origins.snapshot_for(claim.name, claim.source.name)
        except InvalidRequest as error:
            raise SourceNotAllowed(str(error)) from error

    def stamp(self, claim: Claim, node: str) -> None:
        """Annotate it with the node; raise ClaimChanged where it is no more as it was read, RosterAway."""
        self._annotate(claim, {SELECTED_NODE: node})

    def remind(self, claim: Claim) -> None:
        """Annotate it with the time; raise ClaimChanged where it is no more as it was read, RosterAway."""
        self._annotate(claim, {REMINDED: dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")})

    def _annotate(self, claim: Claim, annotations: Mapping[str, str]) -> None:
        metadata = {"uid": claim.uid, "resourceVersion": claim.version, "annotations": annotations}
        patch, where = self._core.patch_namespaced_persistent_volume_claim, claim.name
        try:
            asked(patch, where.name, where.namespace, {"metadata": metadata})
        except RosterAway as error:
            if status_of(error) in (CONFLICT, MISSING):
                raise ClaimChanged(f"the claim {claim.name} has changed") from error
            raise

    def claim(self, name: NamespacedName) -> Claim | None:
        """Give a claim with a source, as it is now; raise RosterAway."""
        found = read(self._core.read_namespaced_persistent_volume_claim, name.name, name.namespace)
        return None if found is None else read_claim(found)

    def pod(self, name: NamespacedName) -> HomelessPod | None:
        """Give the pod if the scheduler still finds no node for it; raise RosterAway."""
        found = read(self._core.read_namespaced_pod, name.name, name.namespace)
        return None if found is None else read_pod(found)

    def trouble_of(self, node: str) -> str:
        """Give why no pod can begin on a node: it is gone, not ready or cordoned; raise RosterAway."""
        found = read(self._core.read_node, node)
        if found is None:
            return f"the cluster has no node {node} any more"
        if found["spec"].get("unschedulable"):
            return "it takes no new pods (kubectl uncordon)"
        ready = ready_condition(found)
        return "" if ready.get("status") == "True" else f"it is not ready ({ready.get('reason', 'kubelet is silent')})"

    def node_of(self, pool: PoolId) -> str:
        """Give the node to which PersistentVolumes of a pool are bound, empty where there are none; raise RosterAway."""
        return node_of_pool(self._core, self._driver, pool)
