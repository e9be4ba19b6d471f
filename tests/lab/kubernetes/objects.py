"""The objects that tests make in the lab's cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CLASS = "rokcsi"
IMAGE = "localhost/e2e/busybox:1.37.0-1"
SNAPSHOTS = "snapshot.storage.k8s.io"
GROUPS = "groupsnapshot.storage.k8s.io"
HOST = "kubernetes.io/hostname"
Object = dict[str, Any]


def claim(
    name: str, source: Object | None = None, size: str = "320Mi", labels: Mapping[str, str] | None = None
) -> Object:
    """Give a claim, empty or cloned from a source."""
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if source:
        spec["dataSource"] = source
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": _named(name, labels), "spec": spec}


def of_snapshot(name: str) -> Object:
    """Give a claim's source: a snapshot."""
    return {"apiGroup": SNAPSHOTS, "kind": "VolumeSnapshot", "name": name}


def of_claim(name: str) -> Object:
    """Give a claim's source: another claim."""
    return {"kind": "PersistentVolumeClaim", "name": name}


def snapshot(name: str, of: str) -> Object:
    """Give a snapshot of a claim."""
    spec = {"source": {"persistentVolumeClaimName": of}}
    return {"apiVersion": f"{SNAPSHOTS}/v1", "kind": "VolumeSnapshot", "metadata": {"name": name}, "spec": spec}


def group_snapshot(name: str, labels: Mapping[str, str]) -> Object:
    """Give a snapshot of all claims with these labels."""
    spec = {"source": {"selector": {"matchLabels": dict(labels)}}}
    return {"apiVersion": f"{GROUPS}/v1", "kind": "VolumeGroupSnapshot", "metadata": {"name": name}, "spec": spec}


def pod(name: str, of: str | Sequence[str], script: str, *, must: str = "", rather: str = "") -> Object:
    """Give a pod that sees a claim at /data, or each of several at /data/NAME; ready once its script has ended well.

    `must` is the node it has to be on, `rather` the one that it asks for.
    """
    places = {of: "/data"} if isinstance(of, str) else {each: f"/data/{each}" for each in of}
    container = {
        "name": "it",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", f"set -e; cd /data; {script}; touch /tmp/done; exec sleep 86400"],
        "volumeMounts": [{"name": each, "mountPath": path} for each, path in places.items()],
        "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/done"]}, "periodSeconds": 1},
    }
    spec: Object = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in places],
    }
    if must:
        spec["nodeSelector"] = {HOST: must}
    if rather:
        spec["affinity"] = {"nodeAffinity": {_PREFERRED: [{"weight": 100, "preference": _is(rather)}]}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _is(node: str) -> Object:
    return {"matchExpressions": [{"key": HOST, "operator": "In", "values": [node]}]}


def _named(name: str, labels: Mapping[str, str] | None) -> Object:
    return {"name": name, "labels": dict(labels or {})}
