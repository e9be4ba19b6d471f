"""What people ask of a cluster's timeline, and what gives them the right to.

    a token → who is it (`People`) → what may they do in the namespace → `AskedCheckpoints`

Rights are Kubernetes' own: whoever may look at a namespace's pods may look at what they left,
whoever may make and delete its VolumeSnapshots may do so with checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from rokcsi.model.history import Version

TOKEN_HEADER = "X-Auth-Token"  # noqa: S105 - the header, Rok's; API servers keep the usual one for themselves
_SNAPSHOTS = "snapshot.storage.k8s.io"


class Right(Enum):
    """What is to be done, as the right to a verb on a resource of a group."""

    LOOK = ("get", "pods", "")
    TAKE = ("create", "volumesnapshots", _SNAPSHOTS)
    REMOVE = ("delete", "volumesnapshots", _SNAPSHOTS)


@dataclass(frozen=True, slots=True)
class Person:
    """A user or an account, as the API server knows it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wish:
    """A checkpoint that is asked for: of all volumes of a pod, with words for it."""

    pod: str
    title: str = ""
    message: str = ""
    author: str = ""


class People(Protocol):
    """Who vouches for people; everything raises RosterAway while it does not answer."""

    def who(self, token: str) -> Person:
        """Give whose token it is; raise TokenRefused."""

    def may(self, person: Person, right: Right, namespace: str) -> bool:
        """Tell whether somebody has a right in a namespace."""


class AskedCheckpoints(Protocol):
    """A namespace's checkpoints; a version is named by its id, or the first six or more digits of it.

    Raises RecordNotFound, InvalidRequest where several begin so, RosterAway, CatalogUnreadable.
    """

    def versions(self, namespace: str) -> Sequence[Version]:
        """Give all that are ready, the oldest first."""

    def version(self, namespace: str, which: str) -> Version:
        """Give one."""

    def take(self, namespace: str, wish: Wish) -> Version:
        """Cut all volumes of a pod at one instant; raise PoolFull, and what the node refuses."""

    def pin(self, namespace: str, which: str, *, pinned: bool) -> Version:
        """Keep one, or let it go with the others of its run."""

    def remove(self, namespace: str, which: str) -> Version:
        """Let one go, with its cut where no other rests on it; raise StillInUse where it is pinned."""
