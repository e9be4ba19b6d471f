"""Notices as Events on the pod they are about, where `kubectl describe pod` shows them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from kubernetes import client

from rokcsi.kube.connecting import asked
from rokcsi.kube.event_objects import event, event_name
from rokcsi.model.claims import Notice
from rokcsi.model.doorkeeper import PodAtDoor


class PodEvents:
    """Fits `rokcsi.model.visits.PodNotices`: one Event for each thing that is told."""

    def __init__(self, api: Any, component: str) -> None:
        self._core = client.CoreV1Api(api)
        self._component = component

    def tell(self, pod: PodAtDoor, reason: str, text: str, *, warning: bool) -> None:
        """Make the Event; raise RosterAway."""
        now = dt.datetime.now(dt.UTC)
        about = {"kind": "Pod", "uid": pod.uid, "namespace": pod.namespace, "name": pod.name}
        name = event_name(pod.name, uuid.uuid4().hex[:16])
        made = event(
            name, about, "Warning" if warning else "Normal", Notice(reason, text, now, now, 1), self._component
        )
        asked(self._core.create_namespaced_event, pod.namespace, made)
