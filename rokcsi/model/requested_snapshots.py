"""A checkpoint as a VolumeSnapshot, for whoever asks for it in their own namespace.

    VolumeSnapshot written, with `rok/origin` → its origin is looked up by the rules of its namespace →
    the VolumeSnapshotContent that it names is made → the cluster binds the two, and claims are restored from it

Who may write VolumeSnapshots in a namespace is for the cluster to say; nobody acts in
another's name. What a content names is kept as long as it names it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from rokcsi.model.claims import NamespacedName


def content_name(snapshot: NamespacedName) -> str:
    """Give the one name that a snapshot's content may have: no namespace's name has a dot, so it is nobody else's."""
    return f"rokcsi.{snapshot.namespace}.{snapshot.name}"


@dataclass(frozen=True, slots=True)
class RequestedSnapshot:
    """A VolumeSnapshot: the origin written on it, and the content that it names; both may be empty."""

    name: NamespacedName
    uid: str
    origin: str
    content: str
    is_leaving: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """A VolumeSnapshotContent: which snapshot it is of, and whether it was made here."""

    name: str
    uid: str
    of: NamespacedName
    of_uid: str
    is_ours: bool


class SnapshotContents(Protocol):
    """The snapshots of a cluster and their contents; everything raises RosterAway while its API does not answer."""

    def snapshot(self, name: NamespacedName) -> RequestedSnapshot | None:
        """Give a snapshot as it is now; None where it is gone."""

    def content(self, name: str) -> Content | None:
        """Give a content as it is now; None where there is none."""

    def made(self) -> Sequence[Content]:
        """Give the contents that were made here."""

    def make(self, snapshot: RequestedSnapshot, handle: str) -> None:
        """Make the content of a snapshot; nothing that it names is deleted with it."""

    def remove(self, content: Content) -> None:
        """Remove a content, if it is still the one that was read."""


class NamedHandles(Protocol):
    """Which of the driver's snapshots the cluster's VolumeSnapshotContents name, whoever made those."""

    def named(self) -> Collection[str]:
        """Give the handles; raise RosterAway."""
