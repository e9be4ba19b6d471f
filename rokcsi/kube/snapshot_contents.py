"""VolumeSnapshots and VolumeSnapshotContents of a Kubernetes cluster; asked of the API server anew each time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from kubernetes import client

from rokcsi.kube.claim_objects import SNAPSHOTS
from rokcsi.kube.connecting import CONFLICT, MISSING, asked, read, status_of
from rokcsi.kube.following import Object
from rokcsi.kube.snapshot_objects import MADE_HERE, VERSION, handles_in, new_content, read_content, read_snapshot
from rokcsi.model.claims import NamespacedName
from rokcsi.model.errors import RosterAway
from rokcsi.model.requested_snapshots import Content, RequestedSnapshot

_CONTENTS = (SNAPSHOTS, VERSION, "volumesnapshotcontents")
_PAGE = 500


class KubernetesSnapshotContents:
    """Fits `rokcsi.model.requested_snapshots.SnapshotContents` and `NamedHandles`; safe for many threads."""

    def __init__(self, api: Any, driver: str) -> None:
        self._custom = client.CustomObjectsApi(api)
        self._driver = driver

    def snapshot(self, name: NamespacedName) -> RequestedSnapshot | None:
        """Give a snapshot as it is now, None where it is gone; raise RosterAway."""
        method = self._custom.get_namespaced_custom_object
        found = read(method, SNAPSHOTS, VERSION, name.namespace, "volumesnapshots", name.name)
        return None if found is None else read_snapshot(found)

    def content(self, name: str) -> Content | None:
        """Give a content as it is now, None where there is none; raise RosterAway."""
        found = read(self._custom.get_cluster_custom_object, *_CONTENTS, name)
        return None if found is None else read_content(found)

    def made(self) -> Sequence[Content]:
        """Give the contents that were made here; raise RosterAway."""
        found = (read_content(each) for each in self._all(label_selector=MADE_HERE))
        return [content for content in found if content.is_ours]

    def named(self) -> Collection[str]:
        """Give the handles that contents of the driver name, whoever made those; raise RosterAway."""
        ours = (each for each in self._all() if each["spec"].get("driver") == self._driver)
        return frozenset(handle for content in ours for handle in handles_in(content))

    def make(self, snapshot: RequestedSnapshot, handle: str) -> None:
        """Make the content of a snapshot, if there is none; raise RosterAway."""
        try:
            asked(self._custom.create_cluster_custom_object, *_CONTENTS, new_content(snapshot, handle, self._driver))
        except RosterAway as error:
            if status_of(error) != CONFLICT:
                raise

    def remove(self, content: Content) -> None:
        """Remove a content, if it is still the one that was read; raise RosterAway."""
        body = {"preconditions": {"uid": content.uid}}
        try:
            asked(self._custom.delete_cluster_custom_object, *_CONTENTS, content.name, body=body)
        except RosterAway as error:
            if status_of(error) not in (CONFLICT, MISSING):
                raise

    def _all(self, **selectors: str) -> Iterator[Object]:
        token = ""
        while True:
            page = self._page(limit=_PAGE, _continue=token, **selectors)
            yield from page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return

    def _page(self, **keywords: Any) -> Mapping[str, Any]:
        """Give a page of the contents; of a cluster that knows none, an empty one."""
        method = self._custom.list_cluster_custom_object
        found: Mapping[str, Any] | None = read(method, *_CONTENTS, **keywords)
        return found or {"items": [], "metadata": {}}
