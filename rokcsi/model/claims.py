"""Claims for clones, as the timeline sees them: who asks, from what, and which node was chosen so far.

The cluster's scheduler does not see where a source's data is. So somebody has to say it:

    claim seen → its source's handle → the pool's node → stamped on the claim → provisioned there

`Claims` and `Notices` are the cluster (`kube/`), `Places` is whoever knows the nodes; the
deciding between them is `timeline/`. A claim can be stamped while it is being made, too
(`FirstNodes`): before the scheduler sees it, and without a second write.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from rokcsi.model.ids import PoolId


@dataclass(frozen=True, order=True, slots=True)
class NamespacedName:
    """What an object of a namespace is called."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class SourceKind(Enum):
    """What a volume can be cloned from; the value is Kubernetes' word."""

    SNAPSHOT = "VolumeSnapshot"
    VOLUME = "PersistentVolumeClaim"
    ORIGIN = "rok/origin"  # an annotation: the address of a checkpoint's member


@dataclass(frozen=True, slots=True)
class Source:
    """What a claim is to be cloned from: a thing of the claim's own namespace, or an origin as it was written."""

    kind: SourceKind
    name: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with a source; `version` is what the API server had when it was read, `node` the one chosen, if any.

    One that is only being made has neither uid nor version, and maybe no name yet.
    """

    name: NamespacedName
    uid: str
    version: str
    storage_class: str
    source: Source
    node: str
    created: dt.datetime
    is_open: bool


@dataclass(frozen=True, slots=True)
class HomelessPod:
    """A pod for which the scheduler finds no node, with the claims it names and the scheduler's words."""

    name: NamespacedName
    uid: str
    claims: Collection[NamespacedName]
    why: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a claim's owner is told: a word for programs, a text for people, and how often it was said since `first`."""

    reason: str
    text: str
    first: dt.datetime
    last: dt.datetime
    count: int


class Claims(Protocol):
    """The claims of a cluster. Everything raises RosterAway while the cluster's API does not answer."""

    def waits_for_us(self, claim: Claim) -> bool:
        """Tell whether its class is of our driver and has volumes made where their consumer is."""

    def handle_of_source(self, claim: Claim) -> str:
        """Give the CSI handle that it is to be cloned from; raise SourceNotReady, SourceNotAllowed."""

    def stamp(self, claim: Claim, node: str) -> None:
        """Choose the node for it; raise ClaimChanged where it is no more as it was read."""

    def remind(self, claim: Claim) -> None:
        """Have all who watch claims see it again; raise ClaimChanged where it is no more as it was read."""

    def claim(self, name: NamespacedName) -> Claim | None:
        """Give a claim that has a source, bound or not; None for any other."""

    def pod(self, name: NamespacedName) -> HomelessPod | None:
        """Give the pod if it still has no node."""

    def trouble_of(self, node: str) -> str:
        """Give why no pod can begin on a node now; nothing where one can."""

    def node_of(self, pool: PoolId) -> str:
        """Give the node on which volumes of a pool were made, going by the cluster's records; empty where none tells."""


class WrittenOrigins(Protocol):
    """Where a claim's `rok/origin` is read."""

    def origin_of(self, claim: NamespacedName) -> str:
        """Give what was written, empty where nothing was; raise RosterAway."""


class Owned(Protocol):
    """What somebody owns in a namespace: a claim, a snapshot."""

    @property
    def name(self) -> NamespacedName:
        """Give what it is called."""

    @property
    def uid(self) -> str:
        """Give what tells it from a later one of its name."""


class Notices(Protocol):
    """Where owners of claims, or of snapshots, look for what has become of them."""

    def write(self, thing: Owned, notice: Notice) -> None:
        """Write it down, or that it was said once more; raise RosterAway."""


class AtCreation(StrEnum):
    """What became of a claim while it was being made: it got its node, or why that is left to whoever sees it later."""

    PLACED = "placed"
    NOT_OURS = "not_ours"
    SOURCE_NOT_READY = "source_not_ready"
    SOURCE_REFUSED = "source_refused"
    NODE_AWAY = "node_away"
    CLUSTER_AWAY = "cluster_away"
    TOO_LATE = "too_late"
    FAILED = "failed"


class FirstNodes(Protocol):
    """Whoever knows a claim's node before there is the claim."""

    def node_for(self, claim: Claim) -> str:
        """Give the node of its source's data, empty where nobody can say so at once; never raises."""


class Places(Protocol):
    """Whoever knows which node serves a pool."""

    def node_of(self, pool: PoolId) -> str:
        """Give the node's name in the cluster; raise PoolElsewhere, PoolDisputed, NodeForgotten, RosterAway."""


class Refusals(Protocol):
    """Counts what owners are told; may be called from many threads at once."""

    def refused(self, reason: str) -> None:
        """Take note that an owner was told why there is not what they asked for."""


class CreationLog(Protocol):
    """Counts what becomes of claims while they are being made; may be called from many threads at once."""

    def at_creation(self, outcome: AtCreation) -> None:
        """Take note of one."""


class PlacementLog(Refusals, Protocol):
    """Counts what the timeline decides of claims; may be called from many threads at once."""

    def placed(self, *, corrected: bool) -> None:
        """Take note that a claim got its node; `corrected` where another had been chosen."""
