"""A namespace of a cluster as the bench sees it: makes and deletes objects, and knows when each became what.

The API's own times are whole seconds. These are of `time.perf_counter`, at the moment when a
watch brought the change to us.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from kubernetes import client

from rokcsi.kube.following import Following
from tests.lab.kubernetes.objects import SNAPSHOTS

Object = Mapping[str, Any]
CHOSEN, BOUND, SCHEDULED, RUNNING = "node chosen", "bound", "scheduled", "running"
READY, USABLE, ENDED = "pod ready", "snapshot ready", "pod ended"
POD_GONE, CLAIM_GONE, VOLUME_GONE = "pod gone", "claim gone", "volume gone"
SNAPSHOT_GONE, CONTENT_GONE = "snapshot gone", "snapshot's content gone"
_SELECTED = "volume.kubernetes.io/selected-node"
_VERSION, _SNAPSHOT_KIND, _CONTENT_KIND = "v1", "volumesnapshots", "volumesnapshotcontents"
_LOOK_SECONDS, _NAMESPACE_SECONDS = 0.5, 120.0


class TooSlow(Exception):
    """Something was not so in the time that it was given."""


class Moments:
    """When an object first was what, by its name; written by the watches' threads, waited for by the bench."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}
        self._news = threading.Condition()

    def note(self, name: str, moment: str) -> None:
        """Take note that it is so now, unless it was before."""
        with self._news:
            self._seen.setdefault((name, moment), time.perf_counter())
            self._news.notify_all()

    def of(self, name: str, moment: str, seconds: float) -> float:
        """Wait until it is so and give the time; raise TooSlow after so many seconds, or when the pod has ended instead."""
        awaited = {(name, moment)} | ({(name, ENDED)} if moment in (RUNNING, READY) else set())
        with self._news:
            self._news.wait_for(lambda: not awaited.isdisjoint(self._seen), seconds)
            if (name, moment) not in self._seen:
                raise TooSlow(f"{name} was not «{moment}» within {seconds:.0f} s, or has ended before")
            return self._seen[name, moment]


class _Watched:
    """Reads the moments of one kind of object, and the one when it is gone."""

    def __init__(self, moments: Moments, read: Callable[[Object], Iterator[str]], gone: str) -> None:
        self._moments, self._read, self._gone = moments, read, gone

    def listed(self, objects: Sequence[Object]) -> None:
        for each in objects:
            self.changed(each)

    def changed(self, changed: Object) -> None:
        for moment in self._read(changed):
            self._moments.note(_name(changed), moment)

    def gone(self, gone: Object) -> None:
        self._moments.note(_name(gone), self._gone)


def _name(of: Object) -> str:
    """Give the name of an object; a volume has that of its claim, a snapshot's content that of the snapshot."""
    spec = of["spec"]
    return str(spec.get("claimRef", spec.get("volumeSnapshotRef", of["metadata"]))["name"])


def _claim(claim: Object) -> Iterator[str]:
    if _SELECTED in claim["metadata"].get("annotations", {}):
        yield CHOSEN
    if claim.get("status", {}).get("phase") == "Bound":
        yield BOUND


def _pod(pod: Object) -> Iterator[str]:
    status = pod.get("status", {})
    if pod["spec"].get("nodeName"):
        yield SCHEDULED
    if status.get("phase") == "Running":
        yield RUNNING
    if any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", ())):
        yield READY
    if status.get("phase") in ("Failed", "Succeeded"):
        yield ENDED


def _snapshot(snapshot: Object) -> Iterator[str]:
    if snapshot.get("status", {}).get("readyToUse"):
        yield USABLE


def _only_when_gone(changed: Object) -> Iterator[str]:
    del changed
    yield from ()


class Namespace:
    """A new namespace, watched; goes with all that is in it."""

    def __init__(self, api: Any) -> None:
        self.name = f"bench-{secrets.token_hex(3)}"
        self.names = (f"{self.name}-{number}" for number in itertools.count())  # no other's, anywhere in the cluster
        self.moments = Moments()
        self._core, self._custom = client.CoreV1Api(api), client.CustomObjectsApi(api)
        here = {"namespace": self.name}
        self._snapshots = {"group": SNAPSHOTS, "version": _VERSION, "plural": _SNAPSHOT_KIND, **here}
        claims, pods = self._core.list_namespaced_persistent_volume_claim, self._core.list_namespaced_pod
        snapshots, volumes = self._custom.list_namespaced_custom_object, self._core.list_persistent_volume
        contents = {"group": SNAPSHOTS, "version": _VERSION, "plural": _CONTENT_KIND}
        gone = self.moments, _only_when_gone
        self._watches = (
            Following("claims", claims, _Watched(self.moments, _claim, CLAIM_GONE), **here),
            Following("pods", pods, _Watched(self.moments, _pod, POD_GONE), **here),
            Following("volumes", volumes, _Watched(*gone, VOLUME_GONE)),
            Following("snapshots", snapshots, _Watched(self.moments, _snapshot, SNAPSHOT_GONE), **self._snapshots),
            Following("contents", self._custom.list_cluster_custom_object, _Watched(*gone, CONTENT_GONE), **contents),
        )

    def __enter__(self) -> Self:
        self._core.create_namespace({"metadata": {"name": self.name}})
        for each in self._watches:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._watches:
            each.stop()
        self._core.delete_namespace(self.name)
        _until(self._is_gone, f"namespace {self.name}", _NAMESPACE_SECONDS)

    def make(self, *objects: Object) -> None:
        """Have these claims, pods and snapshots."""
        for each in objects:
            match each["kind"]:
                case "PersistentVolumeClaim":
                    self._core.create_namespaced_persistent_volume_claim(self.name, each)
                case "Pod":
                    self._core.create_namespaced_pod(self.name, each)
                case _:
                    self._custom.create_namespaced_custom_object(**self._snapshots, body=each)

    def let_go(self, names: Sequence[str], seconds: float, *, claimed: bool = True) -> None:
        """Delete pods, and their claims of the same names, and wait until the volumes are gone, too."""
        for name in names:
            self._core.delete_namespaced_pod(name, self.name, grace_period_seconds=0)
            if claimed:
                self._core.delete_namespaced_persistent_volume_claim(name, self.name)
        for name in names:
            self.moments.of(name, VOLUME_GONE if claimed else POD_GONE, seconds)

    def forget(self, snapshot: str, seconds: float) -> None:
        """Delete a snapshot and wait until it is gone, from its driver too."""
        self._custom.delete_namespaced_custom_object(**self._snapshots, name=snapshot)
        self.moments.of(snapshot, SNAPSHOT_GONE, seconds)
        self.moments.of(snapshot, CONTENT_GONE, seconds)

    def clear(self, label: str, seconds: float) -> None:
        """Delete all pods, claims and snapshots with this label and wait until they are gone; raise TooSlow when they stay."""
        chosen = {"label_selector": label}
        self._core.delete_collection_namespaced_pod(self.name, grace_period_seconds=0, **chosen)
        self._core.delete_collection_namespaced_persistent_volume_claim(self.name, **chosen)
        self._custom.delete_collection_namespaced_custom_object(**self._snapshots, **chosen)
        _until(lambda: not self._there(label), f"what has the label {label}", seconds)

    def _there(self, label: str) -> bool:
        claims = self._core.list_namespaced_persistent_volume_claim(self.name, label_selector=label).items
        snapshots = self._custom.list_namespaced_custom_object(**self._snapshots, label_selector=label)["items"]
        return bool(claims or snapshots)

    def _is_gone(self) -> bool:
        names = self._core.list_namespace(field_selector=f"metadata.name={self.name}").items
        return not names


def _until(is_so: Callable[[], bool], what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TooSlow(f"{what} is not gone after {seconds:.0f} s")
        time.sleep(_LOOK_SECONDS)
