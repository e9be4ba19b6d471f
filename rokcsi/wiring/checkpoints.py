"""Checkpoints at the mount put together, for a timeline that serves nodes: catalogues, visits, what is kept, origins.

Imported only where it is wanted: it brings SQLAlchemy, and the room of the pipeline, along.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rokcsi.catalog.namespaces import NamespaceCatalogs
from rokcsi.config.roles import TimelineSettings
from rokcsi.csi.interceptors import CallLog
from rokcsi.csi.peers import Bearer
from rokcsi.csi.server import Server
from rokcsi.csi.timeline_service import TimelineService
from rokcsi.csi.tls import Certificates
from rokcsi.csi.tls_port import TlsPort
from rokcsi.kube.origin_grants import ConfigMapGrants
from rokcsi.kube.pod_events import PodEvents
from rokcsi.kube.visited_pods import KubernetesVisitedPods
from rokcsi.model.doorkeeper import PodAtDoor
from rokcsi.model.sizes import Bytes
from rokcsi.model.visits import Origins, Visits
from rokcsi.pipeline.world import utc_now
from rokcsi.switchboard.directory import Directory
from rokcsi.switchboard.node_cuts import NodeCuts
from rokcsi.timeline.agenda import Agenda
from rokcsi.timeline.announcing import Announcing
from rokcsi.timeline.keeping import Keeping, KeepingRules
from rokcsi.timeline.origins import NamespaceOrigins
from rokcsi.timeline.room import Room, RoomRules
from rokcsi.timeline.settling import FIRST_LOOK_SECONDS, Settling
from rokcsi.timeline.taking import Taking
from rokcsi.timeline.visiting import Visiting, VisitParts
from rokcsi.timeline.witness import Witness

_SETTLERS = 2
_KEEP_SECONDS = 5.0  # what has to go may wait until those who come are through


class Checkpoints:
    """All of it, begun and ended together; nodes and the switchboard ask at `endpoint`."""

    def __init__(self, settings: TimelineSettings, directory: Directory, api: Any, calls: CallLog) -> None:
        wanted, cuts = settings.checkpoints, NodeCuts(directory)
        self.shelves = NamespaceCatalogs(Path(wanted.catalogs))
        most = None if wanted.checkpoint_bytes is None else Bytes(wanted.checkpoint_bytes)
        pods = KubernetesVisitedPods(api, settings.driver_name)
        announcing = Announcing(PodEvents(api, f"{settings.driver_name}-timeline"))
        room = Room(cuts, RoomRules(wanted.checkpoint_limit, most), announcing)
        parts = VisitParts(
            pods, self.shelves, Taking(cuts), room, announcing, Witness(utc_now), self._settle, self._keep
        )
        visiting = Visiting(parts)
        self.origins = NamespaceOrigins(self.shelves, pods, ConfigMapGrants(api))
        self._settling = Settling(pods, self.shelves, visiting, utc_now)
        keeping = Keeping(pods, self.shelves, cuts, visiting, KeepingRules(wanted.checkpoint_runs, most))
        self._visits_due: Agenda[str, PodAtDoor] = Agenda(self._settling.look, _SETTLERS, "visits")
        self._kept_due: Agenda[str, str] = Agenda(keeping.look, 1, "keeping")
        self._server = _server(settings, visiting, self.origins, calls)
        self._alone = ExitStack()

    @property
    def endpoint(self) -> str:
        """Give HOST:PORT."""
        return self._server.endpoint

    def start(self) -> None:
        """Begin with what a timeline before this one has left, then serve; raise InvalidRequest, SocketTaken, CatalogTaken."""
        self._alone.enter_context(self.shelves.kept_alone())
        self._visits_due.start()
        self._kept_due.start()
        for pod in self._settling.unsettled():
            self._settle(pod)
        for namespace in self.shelves.namespaces():
            self._keep(namespace)
        self._server.start()

    def stop(self) -> None:
        """Let what is under way end, begin nothing more, and give the catalogues back."""
        self._server.stop()
        self._visits_due.stop()
        self._kept_due.stop()
        self.shelves.close()
        self._alone.close()

    def _settle(self, pod: PodAtDoor) -> None:
        self._visits_due.put(pod.uid, pod, FIRST_LOOK_SECONDS)

    def _keep(self, namespace: str) -> None:
        self._kept_due.put(namespace, namespace, _KEEP_SECONDS)


def serve_checkpoints(
    settings: TimelineSettings, directory: Directory, api: Any, calls: CallLog, parts: ExitStack
) -> Checkpoints:
    """Serve nodes and the switchboard until `parts` ends; raise InvalidRequest, SocketTaken, CatalogTaken, SystemCallFailed."""
    checkpoints = Checkpoints(settings, directory, api, calls)
    parts.callback(checkpoints.stop)
    checkpoints.start()
    return checkpoints


def _server(settings: TimelineSettings, visits: Visits, origins: Origins, calls: CallLog) -> Server:
    tls = settings.tls
    certificates = Certificates.read(Path(tls.certificate), Path(tls.key), Path(tls.authorities))
    nodes, controller = Bearer(settings.node_identity), Bearer(settings.controller_identity)
    service = TimelineService(visits, origins, nodes, controller)
    return Server(TlsPort(settings.listen or "", certificates), service, calls=[calls])
