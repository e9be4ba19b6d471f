"""From VolumeSnapshots and their contents, as JSON, to the house's words, and a content as we make it."""

from __future__ import annotations

from typing import Any

from rokcsi.kube.claim_objects import ORIGIN, SNAPSHOTS, name_of
from rokcsi.kube.following import Object
from rokcsi.model.claims import NamespacedName
from rokcsi.model.ids import own_handle
from rokcsi.model.requested_snapshots import Content, RequestedSnapshot, content_name

MADE_HERE = "rokcsi.dev/checkpoint"  # the label of contents that we made; the value is the snapshot's namespace
VERSION = "v1"


def read_snapshot(snapshot: Object) -> RequestedSnapshot:
    """Give a VolumeSnapshot."""
    metadata = snapshot["metadata"]
    return RequestedSnapshot(
        name=name_of(snapshot),
        uid=metadata["uid"],
        origin=(metadata.get("annotations") or {}).get(ORIGIN, ""),
        content=(snapshot["spec"].get("source") or {}).get("volumeSnapshotContentName") or "",
        is_leaving=bool(metadata.get("deletionTimestamp")),
    )


def read_content(content: Object) -> Content:
    """Give a VolumeSnapshotContent."""
    metadata, back = content["metadata"], content["spec"].get("volumeSnapshotRef") or {}
    of = NamespacedName(back.get("namespace", ""), back.get("name", ""))
    is_ours = MADE_HERE in (metadata.get("labels") or {}) and metadata["name"] == content_name(of)
    return Content(metadata["name"], metadata["uid"], of, back.get("uid", ""), is_ours)


def new_content(snapshot: RequestedSnapshot, handle: str, driver: str) -> dict[str, Any]:
    """Give the content of a snapshot as the API server takes it; its deletion deletes nothing of the driver's."""
    name = snapshot.name
    back = {"apiVersion": f"{SNAPSHOTS}/{VERSION}", "kind": "VolumeSnapshot", "uid": snapshot.uid}
    return {
        "apiVersion": f"{SNAPSHOTS}/{VERSION}",
        "kind": "VolumeSnapshotContent",
        "metadata": {"name": content_name(name), "labels": {MADE_HERE: name.namespace}},
        "spec": {
            "deletionPolicy": "Retain",
            "driver": driver,
            "source": {"snapshotHandle": handle},
            "volumeSnapshotRef": {**back, "namespace": name.namespace, "name": name.name},
        },
    }


def handles_in(content: Object) -> set[str]:
    """Give the snapshot's own handle that a content was made for, or has got."""
    source, status = content["spec"].get("source") or {}, content.get("status") or {}
    return {own_handle(handle) for handle in (source.get("snapshotHandle"), status.get("snapshotHandle")) if handle}
