"""Notices as Events on the claim they are about, where `kubectl describe pvc` shows them."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from rokcsi.kube.connecting import MISSING, asked, status_of
from rokcsi.kube.event_objects import event, shortened, written
from rokcsi.model.claims import Claim, Notice
from rokcsi.model.errors import RosterAway


class ClaimEvents:
    """One Event for each run of the same notice, counted up while it lasts."""

    def __init__(self, api: Any, component: str) -> None:
        self._core = client.CoreV1Api(api)
        self._component = component

    def write(self, claim: Claim, notice: Notice) -> None:
        """Make the Event, or count it up; raise RosterAway."""
        name = f"{claim.name.name[:200]}.{notice.reason.lower()}.{int(notice.first.timestamp() * 1e6):x}"
        if notice.count > 1 and self._counted_up(name, claim, notice):
            return
        of = {"kind": "PersistentVolumeClaim", "uid": claim.uid}
        about = {**of, "namespace": claim.name.namespace, "name": claim.name.name}
        made = event(name, about, "Warning", notice, self._component)
        asked(self._core.create_namespaced_event, claim.name.namespace, made)

    def _counted_up(self, name: str, claim: Claim, notice: Notice) -> bool:
        """Count up; tell whether it was still there (the cluster keeps Events for an hour)."""
        body = {"count": notice.count, "lastTimestamp": written(notice.last), "message": shortened(notice.text)}
        try:
            asked(self._core.patch_namespaced_event, name, claim.name.namespace, body)
        except RosterAway as error:
            if status_of(error) != MISSING:
                raise
            return False
        return True
