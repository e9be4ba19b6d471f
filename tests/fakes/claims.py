"""A cluster's claims in memory: what a test says of classes, sources, nodes and pods, and what was stamped and told."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from dataclasses import dataclass, field, replace

from rokcsi.model.claims import AtCreation, Claim, HomelessPod, NamespacedName, Notice, Owned, Source, SourceKind
from rokcsi.model.errors import ClaimChanged, PoolElsewhere, RokcsiError
from rokcsi.model.ids import PoolId

POOL = PoolId("ab" * 16)
HANDLE = f"s-{POOL}-{'0' * 32}"
NAME = NamespacedName("work", "again")


def claim(node: str = "", name: NamespacedName = NAME, kind: SourceKind = SourceKind.SNAPSHOT) -> Claim:
    """Give a claim to be cloned, just made."""
    now = dt.datetime.now(dt.UTC)
    return Claim(name, f"uid-{name.name}", "1", "rokcsi", Source(kind, "before"), node, now, is_open=True)


@dataclass
class MemoryClaims:
    """One cluster: a source's handle or why it has none, nodes with troubles, the claims as they are now."""

    handle: str | RokcsiError = HANDLE
    ours: bool = True
    there: dict[NamespacedName, Claim] = field(default_factory=dict)
    pods: dict[NamespacedName, HomelessPod] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    places: dict[PoolId, str] = field(default_factory=dict)
    stamped: list[tuple[NamespacedName, str]] = field(default_factory=list)
    reminded: list[NamespacedName] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, claim: Claim) -> Claim:
        """Have a claim."""
        self.there[claim.name] = claim
        return claim

    def waits_for_us(self, claim: Claim) -> bool:
        """Tell what the test says."""
        return self.ours

    def handle_of_source(self, claim: Claim) -> str:
        """Give, or raise, what the test says."""
        if isinstance(self.handle, RokcsiError):
            raise self.handle
        return self.handle

    def stamp(self, claim: Claim, node: str) -> None:
        """Write it down; raise ClaimChanged where the version is another one by now."""
        with self.lock:
            self._write(claim, node)
            self.stamped.append((claim.name, node))

    def remind(self, claim: Claim) -> None:
        """Write down that it was; raise ClaimChanged where the version is another one by now."""
        with self.lock:
            self._write(claim, claim.node)
            self.reminded.append(claim.name)

    def _write(self, claim: Claim, node: str) -> None:
        there = self.there.get(claim.name)
        if there is None or there.version != claim.version:
            raise ClaimChanged(f"{claim.name} has changed")
        self.there[claim.name] = replace(there, node=node, version=str(int(there.version) + 1))

    def claim(self, name: NamespacedName) -> Claim | None:
        """Give it as it is now."""
        return self.there.get(name)

    def pod(self, name: NamespacedName) -> HomelessPod | None:
        """Give it if it still has no node."""
        return self.pods.get(name)

    def trouble_of(self, node: str) -> str:
        """Give what the test says."""
        return self.troubles.get(node, "")

    def node_of(self, pool: PoolId) -> str:
        """Give what the test says."""
        return self.places.get(pool, "")


@dataclass
class KnownPlaces:
    """Pools and their nodes; a pool that is not there is elsewhere, unless a test says what is wrong."""

    nodes: dict[PoolId, str] = field(default_factory=dict)
    wrong: RokcsiError | None = None

    def node_of(self, pool: PoolId) -> str:
        """Give the node, or raise what the test says."""
        if self.wrong is not None:
            raise self.wrong
        if pool not in self.nodes:
            raise PoolElsewhere(f"nobody serves the pool {pool}")
        return self.nodes[pool]


@dataclass
class KeptNotices:
    """Notices in the order in which they were written."""

    written: list[tuple[NamespacedName, Notice]] = field(default_factory=list)

    def write(self, thing: Owned, notice: Notice) -> None:
        """Keep it."""
        self.written.append((thing.name, notice))

    def reasons(self) -> list[str]:
        """Give the reasons that were told."""
        return [notice.reason for _, notice in self.written]


@dataclass
class CountedPlacements:
    """What was placed and what was refused."""

    counted: Counter[str] = field(default_factory=Counter)

    def placed(self, *, corrected: bool) -> None:
        """Count it."""
        self.counted["corrected" if corrected else "placed"] += 1

    def at_creation(self, outcome: AtCreation) -> None:
        """Count it."""
        self.counted[outcome.value] += 1

    def refused(self, reason: str) -> None:
        """Count it."""
        self.counted[reason] += 1
