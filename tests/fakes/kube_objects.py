"""Claims, their sources and pods as Kubernetes' API server tells them, all in the namespace `work`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Object = dict[str, Any]
CLAIMS = "/api/v1/namespaces/work/persistentvolumeclaims"
PODS = "/api/v1/namespaces/work/pods"
VOLUMES = "/api/v1/persistentvolumes"
SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1/namespaces/work/volumesnapshots"
CONTENTS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents"
OF_SNAPSHOT = {"kind": "VolumeSnapshot", "apiGroup": "snapshot.storage.k8s.io", "name": "before"}


def a_claim(
    name: str,
    source: Mapping[str, str] | None = OF_SNAPSHOT,
    annotations: Mapping[str, str] | None = None,
    bound: str = "",
) -> Object:
    """Give a claim to be cloned from something."""
    spec: Object = {"storageClassName": "rokcsi"}
    if source:
        spec["dataSource"] = spec["dataSourceRef"] = dict(source)
    if bound:
        spec["volumeName"] = bound
    metadata = _metadata(name) | {"annotations": dict(annotations or {}), "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": metadata, "spec": spec}


def a_review(claim: Object, **request: Any) -> Object:
    """Give what the API server asks of a webhook about a claim that is being made: it has no uid and no version yet."""
    metadata = {key: text for key, text in claim["metadata"].items() if key not in {"uid", "creationTimestamp"}}
    asked = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"},
        "resource": {"group": "", "version": "v1", "resource": "persistentvolumeclaims"},
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "operation": "CREATE",
        "userInfo": {"username": "admin", "groups": ["system:masters"]},
        "object": {**claim, "metadata": metadata},
        "oldObject": None,
        "dryRun": False,
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": asked | request}


def a_snapshot(name: str, content: str) -> Object:
    """Give a snapshot that is bound to its content."""
    return {"metadata": _metadata(name), "status": {"boundVolumeSnapshotContentName": content}}


def a_content(
    name: str, of: str, handle: str, driver: str = "rokcsi.dev", namespace: str = "work", uid: str = ""
) -> Object:
    """Give a snapshot's content that names a snapshot back."""
    back = {"namespace": namespace, "name": of, "uid": uid or f"uid-{of}"}
    return {
        "metadata": {"name": name},
        "spec": {"driver": driver, "volumeSnapshotRef": back},
        "status": {"snapshotHandle": handle},
    }


def a_volume(name: str, of: str, handle: str, namespace: str = "work") -> Object:
    """Give a volume that names a claim back."""
    back = {"namespace": namespace, "name": of, "uid": f"uid-{of}"}
    return {"metadata": {"name": name}, "spec": {"csi": _csi(handle), "claimRef": back}}


def a_pod(name: str, claims: Sequence[str], why: str, node: str = "", ephemeral: Sequence[str] = ()) -> Object:
    """Give a pod with claims, for which the scheduler finds no node (`why`), or has found one."""
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    volumes += [{"name": each, "ephemeral": {}} for each in ephemeral]
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
    spec = {"volumes": [*volumes, {"name": "tmp", "emptyDir": {}}], "nodeName": node}
    return {"metadata": _metadata(name), "spec": spec, "status": {"conditions": [condition] if why else []}}


def _metadata(name: str) -> Object:
    return {"namespace": "work", "name": name, "uid": f"uid-{name}"}


def _csi(handle: str) -> Object:
    return {"driver": "rokcsi.dev", "volumeHandle": handle}
