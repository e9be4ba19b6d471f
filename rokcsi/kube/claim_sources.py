"""From a claim's source to the CSI handle of the data.

A VolumeSnapshotContent and a PersistentVolume belong to the cluster, and anybody who may
write snapshots or claims can name one. So each has to name back who names it, as
external-provisioner demands, too.
"""

from __future__ import annotations

from typing import Any

from kubernetes import client

from rokcsi.kube.claim_objects import SNAPSHOTS, name_of, names_back
from rokcsi.kube.connecting import read
from rokcsi.kube.following import Object
from rokcsi.model.claims import Claim, SourceKind
from rokcsi.model.errors import SourceNotAllowed, SourceNotReady

_VERSION = "v1"


class ClaimSources:
    """Looks sources up in the cluster, for one driver."""

    def __init__(self, api: Any, driver: str) -> None:
        self._core = client.CoreV1Api(api)
        self._custom = client.CustomObjectsApi(api)
        self._driver = driver

    def handle_of(self, claim: Claim) -> str:
        """Give the handle; raise SourceNotReady, SourceNotAllowed, RosterAway."""
        if claim.source.kind is SourceKind.SNAPSHOT:
            return self._of_snapshot(claim.name.namespace, claim.source.name)
        return self._of_claim(claim.name.namespace, claim.source.name)

    def _of_snapshot(self, namespace: str, name: str) -> str:
        snapshot = read(
            self._custom.get_namespaced_custom_object, SNAPSHOTS, _VERSION, namespace, "volumesnapshots", name
        )
        bound = ((snapshot or {}).get("status") or {}).get("boundVolumeSnapshotContentName")
        if not bound:
            raise SourceNotReady(f"the VolumeSnapshot {name} is not there, or has no content yet")
        content = read(self._custom.get_cluster_custom_object, SNAPSHOTS, _VERSION, "volumesnapshotcontents", bound)
        if content is None:
            raise SourceNotReady(f"the VolumeSnapshotContent {bound} is not there")
        spec = content["spec"]
        self._check(f"VolumeSnapshotContent {bound}", spec.get("volumeSnapshotRef"), snapshot, spec.get("driver"))
        handle: str | None = (content.get("status") or {}).get("snapshotHandle")
        if not handle:
            raise SourceNotReady(f"the VolumeSnapshot {name} is still being taken")
        return handle

    def _of_claim(self, namespace: str, name: str) -> str:
        origin = read(self._core.read_namespaced_persistent_volume_claim, name, namespace)
        bound = ((origin or {}).get("spec") or {}).get("volumeName")
        if not bound:
            raise SourceNotReady(f"the PersistentVolumeClaim {name} is not there, or has no volume yet")
        volume = read(self._core.read_persistent_volume, bound)
        if volume is None:
            raise SourceNotReady(f"the PersistentVolume {bound} is not there")
        source = volume["spec"].get("csi") or {}
        self._check(f"PersistentVolume {bound}", volume["spec"].get("claimRef"), origin, source.get("driver"))
        handle: str = source["volumeHandle"]
        return handle

    def _check(self, what: str, back: Object | None, namer: Object, driver: str | None) -> None:
        """Refuse what does not name back, and what is another driver's."""
        if not names_back(back, namer):
            raise SourceNotAllowed(f"the {what} does not belong to {name_of(namer)}")
        if driver != self._driver:
            raise SourceNotAllowed(f"the {what} is of the driver {driver}, not of {self._driver}")
