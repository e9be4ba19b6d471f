"""The pods of a Kubernetes cluster and their volumes of our driver; asked of the API server anew each time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from kubernetes import client

from rokcsi.kube.claim_objects import names_back, read_claim, read_time
from rokcsi.kube.claim_sources import ClaimSources
from rokcsi.kube.connecting import read
from rokcsi.kube.following import Object
from rokcsi.kube.pod_objects import read_visiting_pod
from rokcsi.model.claims import SourceKind
from rokcsi.model.cluster import PodVolume
from rokcsi.model.consent import CHECKPOINT_POLICY, CHECKPOINTS, STEPS
from rokcsi.model.doorkeeper import PodAtDoor
from rokcsi.model.errors import SourceNotAllowed, SourceNotReady
from rokcsi.model.ids import own_handle
from rokcsi.model.visits import VisitedVolume, VisitingPod


class KubernetesVisitedPods:
    """Fits `rokcsi.model.visits.VisitedPods`; safe for many threads."""

    def __init__(self, api: Any, driver: str) -> None:
        self._core = client.CoreV1Api(api)
        self._storage = client.StorageV1Api(api)
        self._sources = ClaimSources(api, driver)
        self._driver = driver

    def pod(self, at: PodAtDoor) -> VisitingPod | None:
        """Give a pod; None where it is gone, or another has its name. Raises RosterAway."""
        found = self.named(at.namespace, at.name)
        return found if found is not None and found.at.uid == at.uid else None

    def named(self, namespace: str, name: str) -> VisitingPod | None:
        """Give the pod that has this name now; None where there is none. Raises RosterAway."""
        found = read(self._core.read_namespaced_pod, name, namespace)
        return None if found is None else read_visiting_pod(found)

    def volumes(self, pod: VisitingPod) -> Sequence[VisitedVolume]:
        """Give the volumes of our driver in a pod; raise RosterAway."""
        namespace = read(self._core.read_namespace, pod.at.namespace) or {"metadata": {}}
        label = (namespace["metadata"].get("labels") or {}).get(CHECKPOINTS)
        found = (self._volume(pod.at.namespace, mount, label) for mount in pod.mounts)
        return [volume for volume in found if volume is not None]

    def namespace_since(self, name: str) -> dt.datetime | None:
        """Give when a namespace was made; None where there is none. Raises RosterAway."""
        found = read(self._core.read_namespace, name)
        return None if found is None else read_time(found["metadata"].get("creationTimestamp"))

    def _volume(self, namespace: str, mount: PodVolume, label: str | None) -> VisitedVolume | None:
        claim = read(self._core.read_namespaced_persistent_volume_claim, mount.claim, namespace)
        volume = self._bound_to(claim)
        if claim is None or volume is None:
            return None
        said = (*self._said_of(claim), label)
        return VisitedVolume(
            name=mount.name,
            claim=mount.claim,
            handle=volume["spec"]["csi"]["volumeHandle"],
            mount_path=mount.mount_path,
            created=read_time(volume["metadata"].get("creationTimestamp")),
            readonly=mount.readonly,
            from_snapshot=self._origin_of(claim) if STEPS in said else "",
            said=said,
        )

    def _bound_to(self, claim: Object | None) -> Object | None:
        """Give a claim's PersistentVolume if it is of our driver and names the claim back."""
        bound = (claim or {"spec": {}})["spec"].get("volumeName")
        volume: Object | None = read(self._core.read_persistent_volume, bound) if bound else None
        if claim is None or volume is None:
            return None
        is_its = names_back(volume["spec"].get("claimRef"), claim)
        return volume if is_its and (volume["spec"].get("csi") or {}).get("driver") == self._driver else None

    def _said_of(self, claim: Object) -> Iterator[str | None]:
        """Give what its attributes class, its annotation and its storage class say, in this order."""
        spec, status = claim["spec"], claim.get("status") or {}
        attributes = status.get("currentVolumeAttributesClassName") or spec.get("volumeAttributesClassName")
        yield self._policy(self._storage.read_volume_attributes_class, attributes)
        yield (claim["metadata"].get("annotations") or {}).get(CHECKPOINTS)
        yield self._policy(self._storage.read_storage_class, spec.get("storageClassName"))

    def _policy(self, method: Any, name: str | None) -> str | None:
        found = read(method, name) if name else None
        return ((found or {}).get("parameters") or {}).get(CHECKPOINT_POLICY)

    def _origin_of(self, claim: Object) -> str:
        """Give the snapshot's handle that a claim was cloned from, empty where that is not known."""
        wanted = read_claim(claim)
        if wanted is None or wanted.source.kind is not SourceKind.SNAPSHOT:
            return ""
        try:
            return own_handle(self._sources.handle_of(wanted))
        except (SourceNotReady, SourceNotAllowed):
            return ""
