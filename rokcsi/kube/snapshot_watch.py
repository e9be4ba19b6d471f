"""Watches the VolumeSnapshots that ask to be a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kubernetes import client

from rokcsi.kube.claim_objects import SNAPSHOTS
from rokcsi.kube.following import Following, Object
from rokcsi.kube.snapshot_objects import VERSION, read_snapshot
from rokcsi.model.claims import NamespacedName
from rokcsi.model.requested_snapshots import RequestedSnapshot, content_name


def snapshot_watch(api: Any, seen: Callable[[NamespacedName], None], listed: Callable[[], None]) -> Following:
    """Give what follows them; `seen` hears of each change, `listed` of each new list. Nothing is started."""
    method = client.CustomObjectsApi(api).list_cluster_custom_object
    takes = _Snapshots(seen, listed)
    return Following("volume snapshots", method, takes, group=SNAPSHOTS, version=VERSION, plural="volumesnapshots")


class _Snapshots:
    def __init__(self, seen: Callable[[NamespacedName], None], listed: Callable[[], None]) -> None:
        self._seen = seen
        self._listed = listed

    def listed(self, objects: Iterator[Object]) -> None:
        for each in objects:
            self.changed(each)
        self._listed()

    def changed(self, changed: Object) -> None:
        snapshot = read_snapshot(changed)
        if _asks(snapshot):
            self._seen(snapshot.name)

    def gone(self, gone: Object) -> None:
        self.changed(gone)


def _asks(snapshot: RequestedSnapshot) -> bool:
    """Tell whether it has an origin, or may have had one."""
    return bool(snapshot.origin) or snapshot.content == content_name(snapshot.name)
