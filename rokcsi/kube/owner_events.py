"""Notices as Events on the claim or snapshot they are about, where `kubectl describe` shows them."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from rokcsi.kube.connecting import MISSING, asked, status_of
from rokcsi.kube.event_objects import event, event_name, shortened, written
from rokcsi.kube.following import Object
from rokcsi.model.claims import Notice, Owned
from rokcsi.model.errors import RosterAway

CLAIM: Object = {"kind": "PersistentVolumeClaim"}
SNAPSHOT: Object = {"kind": "VolumeSnapshot", "apiVersion": "snapshot.storage.k8s.io/v1"}


class OwnerEvents:
    """One Event for each run of the same notice, counted up while it lasts; `kind` is of the objects that are told of."""

    def __init__(self, api: Any, component: str, kind: Object = CLAIM) -> None:
        self._core = client.CoreV1Api(api)
        self._component = component
        self._kind = kind

    def write(self, thing: Owned, notice: Notice) -> None:
        """Make the Event, or count it up; raise RosterAway."""
        name = event_name(thing.name.name, f"{notice.reason.lower()}.{int(notice.first.timestamp() * 1e6):x}")
        if notice.count > 1 and self._counted_up(name, thing, notice):
            return
        about = {**self._kind, "uid": thing.uid, "namespace": thing.name.namespace, "name": thing.name.name}
        made = event(name, about, "Warning", notice, self._component)
        asked(self._core.create_namespaced_event, thing.name.namespace, made)

    def _counted_up(self, name: str, thing: Owned, notice: Notice) -> bool:
        """Count up; tell whether it was still there (the cluster keeps Events for an hour)."""
        body = {"count": notice.count, "lastTimestamp": written(notice.last), "message": shortened(notice.text)}
        try:
            asked(self._core.patch_namespaced_event, name, thing.name.namespace, body)
        except RosterAway as error:
            if status_of(error) != MISSING:
                raise
            return False
        return True
