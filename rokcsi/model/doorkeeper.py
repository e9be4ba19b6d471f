"""Checkpoints at the mount, as a node sees them: somebody is asked before a pod's volumes appear, and before they go.

A pod's visit to a node begins with the first of its volumes that is published there and
ends with the first that is unpublished. At both instants none of its processes runs:

    publish → enters → mounts → containers run, and end → unpublish → leaves → unmounted

Who is asked (the timeline) knows the cluster: whose volumes want checkpoints, and why. A
node knows only the pod's name and its own volumes, and must not wait for ever.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

_PREFIX = "csi.storage.k8s.io/"
POD_FACTS = tuple(f"{_PREFIX}{fact}" for fact in ("pod.name", "pod.namespace", "pod.uid", "serviceAccount.name"))


class Side(StrEnum):
    """Which end of a visit."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class PodAtDoor:
    """A pod as kubelet names it (podInfoOnMount)."""

    namespace: str
    name: str
    uid: str
    service_account: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> PodAtDoor | None:
        """Read what came with a publish; None where kubelet did not say which pod it is for."""
        name, namespace, uid, account = (facts.get(key, "") for key in POD_FACTS)
        return cls(namespace, name, uid, account) if name and namespace and uid else None


@dataclass(frozen=True, slots=True)
class Passage:
    """One end of a pod's visit: which pod, which end, and the handle of the volume at which it was noticed.

    `answered_since` says since when every pod with volumes on this node was answered for; None
    while one has volumes here that was not.
    """

    pod: PodAtDoor
    side: Side
    volume: str
    answered_since: dt.datetime | None = None


class Doorkeeper(Protocol):
    """Is asked at both ends of a visit; the same passage may be asked for again, and is answered as before."""

    def asked(self, passage: Passage, seconds: float, *, patient: bool) -> None:
        """Give way once the checkpoint is taken, or none is wanted.

        Raises TimelineAway where nobody answered within `seconds`, or at once where nobody can
        be reached and the asker is not `patient`; CheckpointFailed where it could not be taken.
        """


class Doors(Protocol):
    """What a node does at both ends of a visit: ask once for each, wait so long and no longer, remember."""

    def pass_in(self, facts: Mapping[str, str], volume: str, *, wanted: bool) -> None:
        """Be called before a volume is published; raise TimelineAway, CheckpointFailed where the pod must not go in now.

        `wanted` tells that the volume itself asks for checkpoints.
        """

    def pass_out(self, facts: Mapping[str, str], volume: str, *, wanted: bool) -> None:
        """Be called before a volume is unpublished; raises as `pass_in`."""

    def found(self, facts: Mapping[str, str]) -> None:
        """Take note of a pod that had volumes here before this process was; nobody knows whether it was answered for."""

    def gone(self, facts: Mapping[str, str]) -> None:
        """Forget a pod that has no volume left here."""
