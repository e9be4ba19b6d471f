"""Checkpoints at the mount, as the timeline sees them: pods that come to their volumes, and what is known of them.

    passage → who is it (`VisitedPods`) → whose volumes want it → cut at one instant (`VolumeCuts`)
            → filed in its namespace's catalogue (`Shelves`) → told on the pod (`PodNotices`)

`timeline/` decides; `kube/`, `switchboard/` and `catalog/` carry out.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rokcsi.model.catalog import Catalog
from rokcsi.model.claims import NamespacedName
from rokcsi.model.cluster import LabelledCut, PodPhase, PodVolume
from rokcsi.model.doorkeeper import Passage, PodAtDoor, Side
from rokcsi.model.ids import PoolId
from rokcsi.model.pod_template import PodTemplate
from rokcsi.model.provisioner import NOTHING_SAID, SaidOfGroup
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency

_SPACE = uuid.UUID("6f1f4b6e-5f0b-5c7e-9d35-6a1c7a0e5d2b")


def version_at_door(uid: str, side: Side) -> str:
    """Give the id of the version that is taken at one end of a pod's visit, before there is one.

    So a step can name its own checkpoints while it runs; a UUID of RFC 9562, version 5.
    """
    return str(uuid.uuid5(_SPACE, f"{uid}/{side}"))


def cut_at_door(uid: str, side: Side) -> str:
    """Give the name of the cut: the same one however often it is asked for."""
    return f"checkpoint-{uid}-{side}"


def cut_of_asked(version: str) -> str:
    """Give the name of the cut of a version that somebody asked for, by its id."""
    return f"checkpoint-{version}"


@dataclass(frozen=True, slots=True)
class PodOwner:
    """Who made a pod, by its controller reference."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PodSetUp:
    """How a pod's main container was set up; `environment` holds only values that stand in the pod itself."""

    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    template: PodTemplate | None = None


@dataclass(frozen=True, slots=True)
class PodEnd:
    """How a pod has ended: the main container's exit status, and Kubernetes' word for it (OOMKilled, Evicted)."""

    exit_status: int | None = None
    why: str = ""
    at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class VisitingPod:
    """A pod as the cluster knows it, with the claims that it mounts.

    `started` tells that a container of it has run, `leaving` that it was deleted before all of
    them had ended.
    """

    at: PodAtDoor
    phase: PodPhase
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner: PodOwner | None = None
    mounts: tuple[PodVolume, ...] = ()
    started: bool = False
    leaving: bool = False
    set_up: PodSetUp = field(default_factory=PodSetUp)
    end: PodEnd = field(default_factory=PodEnd)

    @property
    def is_over(self) -> bool:
        """Tell whether none of its containers will run any more."""
        return self.phase in {PodPhase.SUCCEEDED, PodPhase.FAILED}


@dataclass(frozen=True, slots=True)
class VisitedVolume:
    """A volume of our driver in a pod: the pod's word for it, its claim, its handle, and where it is mounted.

    `said` is what has been said of its checkpoints, the nearest first; `from_snapshot` the
    handle that it was cloned from, empty where it was not; `created` when the cluster got it.
    """

    name: str
    claim: str
    handle: str
    mount_path: str
    created: dt.datetime
    readonly: bool = False
    from_snapshot: str = ""
    filesystem: str = ""
    said: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class CutVolume:
    """One volume's part of a cut; both are handles, `size` is the volume's at that instant."""

    volume: str
    snapshot: str
    size: Bytes


@dataclass(frozen=True, slots=True)
class VolumeCut:
    """Snapshots of volumes of one node, at one instant."""

    handle: str
    created_at: dt.datetime
    volumes: tuple[CutVolume, ...]
    freeze_window_seconds: float = 0.0
    consistency: Consistency = Consistency.FROZEN


class Visits(Protocol):
    """What is done at both ends of a visit; may be asked again for the same, also by a later process."""

    def enters(self, passage: Passage) -> str:
        """Give the id of the version taken before the pod; empty where none is wanted or none could be."""

    def leaves(self, passage: Passage) -> str:
        """Give the id of the version taken after the pod; empty as above."""


class Origins(Protocol):
    """Who knows what a `rok/origin` stands for, and who may have it."""

    def snapshot_for(self, claim: NamespacedName, origin: str) -> str:
        """Give the snapshot's handle; raise InvalidRequest, RecordNotFound, SourceNotAllowed, RosterAway, CatalogUnreadable."""


class VisitedPods(Protocol):
    """The pods of a cluster and their volumes; everything raises RosterAway while its API does not answer."""

    def pod(self, at: PodAtDoor) -> VisitingPod | None:
        """Give a pod; None where it is gone, or another has its name by now."""

    def named(self, namespace: str, name: str) -> VisitingPod | None:
        """Give the pod that has this name now; None where there is none."""

    def volumes(self, pod: VisitingPod) -> Sequence[VisitedVolume]:
        """Give the volumes of our driver in a pod, in the pod's order; claims without a volume are left out."""

    def namespace_since(self, name: str) -> dt.datetime | None:
        """Give when a namespace was made; None where there is none."""


class VolumeCuts(Protocol):
    """The nodes that hold the volumes; everything raises Unavailable where a node is away, and what the node says."""

    def cut(self, name: str, volumes: Sequence[str], said: SaidOfGroup = NOTHING_SAID) -> VolumeCut:
        """Snapshot these volumes at one instant, all or none; the same name gives the same cut, with what was said first."""

    def pools(self) -> Sequence[PoolId]:
        """Give the pools that are served now."""

    def labelled(self, pool: PoolId, besides: Collection[str] = ()) -> Sequence[LabelledCut]:
        """Give all cuts of a pool but those of these handles, the oldest first, read from the pool itself."""

    def is_there(self, handle: str) -> bool:
        """Tell whether there is a cut."""

    def remove(self, handle: str) -> None:
        """Remove a cut with its snapshots; nothing happens when it is gone, or its node for good."""

    def fullness(self, volume: str) -> float:
        """Give what share of the volume's pool is used, 0 to 1."""


class PodNotices(Protocol):
    """Where owners of pods look for what has become of them."""

    def tell(self, pod: PodAtDoor, reason: str, text: str, *, warning: bool) -> None:
        """Write it down; raise RosterAway."""


class Grants(Protocol):
    """Who may clone from another namespace's checkpoints."""

    def granted(self, owner: str, asker: str) -> bool:
        """Tell whether the namespace `owner` lets the namespace `asker` have its checkpoints; raise RosterAway."""


class Shelves(Protocol):
    """A catalogue for each namespace: what one holds, another never sees."""

    def of(self, namespace: str) -> Catalog:
        """Give a namespace's catalogue, an empty one where there was none.

        Raises InvalidRequest for no namespace's name, CatalogUnreadable where this one's is
        damaged or too new: nothing can be done with its checkpoints then.
        """

    def namespaces(self) -> Sequence[str]:
        """Give the namespaces that have one."""

    def remove(self, namespace: str) -> None:
        """Take a namespace's catalogue away, with all that it holds; nothing happens where there is none."""
