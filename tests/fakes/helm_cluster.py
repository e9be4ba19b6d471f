"""A cluster as Helm asks for it before it installs the chart: the kinds that the chart is made of, and what a test puts there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.fakes.api_server import api_server

Object = dict[str, Any]
_KINDS: Mapping[str, tuple[str, ...]] = {  # with a slash before those that belong to no namespace
    "v1": ("Secret", "/Namespace", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod"),
    "apps/v1": ("Deployment", "DaemonSet"),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding", "/ClusterRole", "/ClusterRoleBinding"),
    "storage.k8s.io/v1": ("/StorageClass", "/CSIDriver", "/VolumeAttributesClass"),
    "admissionregistration.k8s.io/v1": ("/MutatingWebhookConfiguration",),
    "snapshot.storage.k8s.io/v1": ("/VolumeSnapshotClass", "VolumeSnapshot"),
}
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


@contextmanager
def helm_cluster(things: Mapping[str, Object]) -> Iterator[str]:
    """Serve an empty cluster with these objects, and lists, by their paths; give its address."""
    with api_server() as (state, client):
        state.things |= _discovery()
        state.things |= {
            "/api/v1/namespaces/default": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}},
            "/api/v1/namespaces/default/secrets": a_list("v1", "Secret"),
            "/apis/apps/v1/deployments": a_list("apps/v1", "Deployment"),
            CLASSES: a_list("storage.k8s.io/v1", "StorageClass"),
        }
        state.things |= things
        yield client.configuration.host


def a_list(version: str, kind: str, *objects: Object) -> Object:
    """Give a list of objects of one kind."""
    items = [{"apiVersion": version, "kind": kind, **each} for each in objects]
    return {"apiVersion": version, "kind": f"{kind}List", "items": items}


def _discovery() -> dict[str, Object]:
    found: dict[str, Object] = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(each) for each in _KINDS if "/" in each],
        },
    }
    for version, kinds in _KINDS.items():
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        resources = [_resource(kind) for kind in kinds]
        found[path] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    return found


def _group(version: str) -> Object:
    name, _, short = version.partition("/")
    told = {"groupVersion": version, "version": short}
    return {"name": name, "versions": [told], "preferredVersion": told}


def _resource(kind: str) -> Object:
    name = kind.removeprefix("/")
    plural = name.lower() + ("es" if name.endswith("ss") else "s")
    return {"name": plural, "namespaced": name == kind, "kind": name, "verbs": ["get", "list"]}
