"""Checkpoints put together, for a timeline that serves nodes: catalogues, visits, what is kept, origins, what people ask.

Imported only where it is wanted: it brings SQLAlchemy, and the room of the pipeline, along.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rokcsi.catalog.namespaces import NamespaceCatalogs
from rokcsi.config.roles import TimelineSettings
from rokcsi.csi.interceptors import CallLog
from rokcsi.csi.peers import Bearer
from rokcsi.csi.server import Server
from rokcsi.csi.timeline_service import TimelineService
from rokcsi.csi.tls import Certificates
from rokcsi.csi.tls_port import TlsPort
from rokcsi.kube.namespace_watch import namespace_watch
from rokcsi.kube.origin_grants import ConfigMapGrants
from rokcsi.kube.owner_events import SNAPSHOT, OwnerEvents
from rokcsi.kube.people import KubernetesPeople
from rokcsi.kube.pod_events import PodEvents
from rokcsi.kube.snapshot_contents import KubernetesSnapshotContents
from rokcsi.kube.snapshot_watch import snapshot_watch
from rokcsi.kube.visited_pods import KubernetesVisitedPods
from rokcsi.model.claims import NamespacedName
from rokcsi.model.doorkeeper import PodAtDoor
from rokcsi.model.sizes import Bytes
from rokcsi.model.visits import Origins, Visits
from rokcsi.observe.timeline_metrics import TimelineMetrics
from rokcsi.pipeline.world import utc_now
from rokcsi.switchboard.directory import Directory
from rokcsi.switchboard.node_cuts import NodeCuts
from rokcsi.timeline.agenda import Agenda
from rokcsi.timeline.announcing import Announcing
from rokcsi.timeline.asked import Asked, AskedParts
from rokcsi.timeline.keeping import Keeping, KeepingParts, KeepingRules
from rokcsi.timeline.noted_shelves import NotedShelves
from rokcsi.timeline.origins import NamespaceOrigins
from rokcsi.timeline.providing import Providing
from rokcsi.timeline.rebuilding import Rebuilding
from rokcsi.timeline.room import Room, RoomRules
from rokcsi.timeline.settling import FIRST_LOOK_SECONDS, Settling
from rokcsi.timeline.taking import Taking
from rokcsi.timeline.telling import Telling
from rokcsi.timeline.visiting import Visiting, VisitParts
from rokcsi.timeline.witness import Witness
from rokcsi.web.door import Door
from rokcsi.web.server import DoorServer

_SETTLERS = 2
_WORKERS = 256  # pods whose node hangs wait, and those of their namespace with them: enough are left
_KEEP_SECONDS = 5.0  # what has to go may wait until those who come are through


class _Worker(Protocol):
    """What works in threads of its own."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Let what is under way end, and begin nothing more."""


class Checkpoints:
    """All of it, begun and ended together; nodes and the switchboard ask at `endpoint`, people where the settings say."""

    def __init__(
        self, settings: TimelineSettings, directory: Directory, api: Any, calls: CallLog, log: TimelineMetrics
    ) -> None:
        wanted, cuts = settings.checkpoints, NodeCuts(directory)
        self._catalogs = NamespaceCatalogs(Path(wanted.catalogs))
        self.shelves = NotedShelves(self._catalogs, log)
        most = None if wanted.checkpoint_bytes is None else Bytes(wanted.checkpoint_bytes)
        pods = KubernetesVisitedPods(api, settings.driver_name)
        component = f"{settings.driver_name}-timeline"
        announcing = Announcing(PodEvents(api, component))
        room = Room(cuts, RoomRules(wanted.checkpoint_limit, most), announcing)
        parts = VisitParts(
            pods, self.shelves, Taking(cuts), room, announcing, Witness(utc_now), self._settle, self._keep, log
        )
        visiting = Visiting(parts)
        self.origins = NamespaceOrigins(self.shelves, pods, ConfigMapGrants(api))
        rules = KeepingRules(wanted.checkpoint_runs, most)
        self._rebuilding = Rebuilding(parts, cuts, visiting, rules)
        self._settling = Settling(pods, visiting, utc_now)
        contents = KubernetesSnapshotContents(api, settings.driver_name)
        kept = KeepingParts(pods, self.shelves, cuts, contents)
        keeping = Keeping(kept, visiting, rules)
        telling = Telling(OwnerEvents(api, component, SNAPSHOT), _NotProvided(log))
        self._providing = Providing(contents, self.origins, visiting.alone, telling)
        self._snapshots_due: Agenda[NamespacedName, NamespacedName] = Agenda(self._providing.look, 1, "snapshots")
        self._visits_due: Agenda[str, PodAtDoor] = Agenda(self._settling.look, _SETTLERS, "visits")
        self._kept_due: Agenda[str, str] = Agenda(keeping.look, 1, "keeping")
        self._left_due: Agenda[str, str] = Agenda(self._take_up, 1, "left")
        self._pools_due: Agenda[str, str] = Agenda(lambda _: self._rebuilding.look(), 1, "pools")
        self._server = _server(settings, visiting, self.origins, calls)
        asked = Asked(AskedParts(pods, self.shelves, cuts, room, visiting, keeping, self._undo))
        self._asked_due: Agenda[str, str] = Agenda(asked.look, 1, "asked")
        self._door = _door(settings, Door(KubernetesPeople(api), asked))
        agendas = (self._visits_due, self._kept_due, self._asked_due, self._pools_due, self._snapshots_due)
        doors = [self._server] if self._door is None else [self._server, self._door]
        self._workers: tuple[_Worker, ...] = (*agendas, self._left_due, *self._watches(api), *doors)
        self._running = ExitStack()

    @property
    def people(self) -> str:
        """Give HOST:PORT where people ask, empty where they cannot."""
        return "" if self._door is None else self._door.address

    @property
    def endpoint(self) -> str:
        """Give HOST:PORT."""
        return self._server.endpoint

    def start(self) -> None:
        """Begin with what a timeline before this one has left, then serve; raise InvalidRequest, SocketTaken, CatalogTaken."""
        self._running.enter_context(self._catalogs.kept_alone())
        self._running.callback(self._catalogs.close)
        self._pools_due.put(
            "pools", "pools", self._rebuilding.look()
        )  # before pods come again to runs that are not known
        for namespace in self.shelves.namespaces():
            self._left_due.put(namespace, namespace)
        for each in self._workers:
            each.start()
            self._running.callback(each.stop)

    def stop(self) -> None:
        """Let what is under way end, begin nothing more, and give the catalogues back."""
        self._running.close()

    def _watches(self, api: Any) -> tuple[_Worker, ...]:
        return (
            snapshot_watch(api, self._provide, self._look_at_leftovers),
            namespace_watch(api, self._namespace_gone),
        )

    def _take_up(self, namespace: str) -> None:
        """Have everything seen to that a timeline before this one has left in a namespace; raise CatalogUnreadable."""
        for pod in self._settling.unsettled(namespace):
            self._settle(pod)
        self._keep(namespace)
        self._undo(namespace)

    def _settle(self, pod: PodAtDoor) -> None:
        self._visits_due.put(pod.uid, pod, FIRST_LOOK_SECONDS)

    def _undo(self, namespace: str) -> None:
        self._asked_due.put(namespace, namespace)

    def _keep(self, namespace: str) -> None:
        self._kept_due.put(namespace, namespace, _KEEP_SECONDS)

    def _namespace_gone(self, namespace: str) -> None:
        if namespace in self.shelves.namespaces():
            self._keep(namespace)

    def _provide(self, snapshot: NamespacedName) -> None:
        self._snapshots_due.put(snapshot, snapshot)

    def _look_at_leftovers(self) -> None:
        for snapshot in self._providing.left():
            self._provide(snapshot)


@dataclass(frozen=True, slots=True)
class _NotProvided:
    """Fits `rokcsi.model.claims.Refusals`."""

    log: TimelineMetrics

    def refused(self, reason: str) -> None:
        """Count it."""
        self.log.not_provided(reason)


def serve_checkpoints(
    settings: TimelineSettings,
    directory: Directory,
    api: Any,
    calls: CallLog,
    log: TimelineMetrics,
    parts: ExitStack,
) -> Checkpoints:
    """Serve nodes and the switchboard until `parts` ends; raise InvalidRequest, SocketTaken, CatalogTaken, SystemCallFailed."""
    checkpoints = Checkpoints(settings, directory, api, calls, log)
    parts.callback(checkpoints.stop)
    checkpoints.start()
    return checkpoints


def _server(settings: TimelineSettings, visits: Visits, origins: Origins, calls: CallLog) -> Server:
    tls = settings.tls
    certificates = Certificates.read(Path(tls.certificate), Path(tls.key), Path(tls.authorities))
    nodes, controller = Bearer(settings.node_identity), Bearer(settings.controller_identity)
    service = TimelineService(visits, origins, nodes, controller)
    return Server(TlsPort(settings.listen or "", certificates), service, calls=[calls], workers=_WORKERS)


def _door(settings: TimelineSettings, door: Door) -> DoorServer | None:
    people = settings.checkpoints.people
    tls = settings.tls
    return None if people is None else DoorServer(people, Path(tls.certificate), Path(tls.key), door)
