"""The objects that tests make in the lab's cluster."""

from __future__ import annotations

from typing import Any

CLASS = "rokcsi"
IMAGE = "localhost/e2e/busybox:1.37.0-1"
SNAPSHOTS = "snapshot.storage.k8s.io"
HOST = "kubernetes.io/hostname"
Object = dict[str, Any]


def claim(name: str, source: Object | None = None, size: str = "320Mi") -> Object:
    """Give a claim, empty or cloned from a source."""
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if source:
        spec["dataSource"] = source
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


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


def pod(name: str, of: str, script: str, *, must: str = "", rather: str = "") -> Object:
    """Give a pod that sees a claim at /data, ready once its script has ended well.

    `must` is the node it has to be on, `rather` the one that it asks for.
    """
    container = {
        "name": "it",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", f"set -e; cd /data; {script}; touch /tmp/done; exec sleep 86400"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/done"]}, "periodSeconds": 1},
    }
    spec: Object = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": of}}],
    }
    if must:
        spec["nodeSelector"] = {HOST: must}
    if rather:
        spec["affinity"] = {"nodeAffinity": {_PREFERRED: [{"weight": 100, "preference": _is(rather)}]}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _is(node: str) -> Object:
    return {"matchExpressions": [{"key": HOST, "operator": "In", "values": [node]}]}
