"""What a `rok/origin` stands for: one member of a version, in the asker's namespace, or in one that has granted it.

An annotation can be written by anybody, so nothing of another namespace is looked at before
its grant is.
"""

from __future__ import annotations

import datetime as dt

from rokcsi.model.claims import NamespacedName
from rokcsi.model.errors import InvalidRequest, RecordNotFound, SourceNotAllowed
from rokcsi.model.history import Member, Version
from rokcsi.model.origin import Origin, VersionReference, namespace_of
from rokcsi.model.visits import Grants, Shelves, VisitedPods


class NamespaceOrigins:
    """Fits `rokcsi.model.visits.Origins`, over the namespaces' catalogues."""

    def __init__(self, shelves: Shelves, pods: VisitedPods, grants: Grants) -> None:
        self._shelves = shelves
        self._pods = pods
        self._grants = grants

    def snapshot_for(self, claim: NamespacedName, origin: str) -> str:
        """Give the snapshot's handle; raise InvalidRequest, RecordNotFound, SourceNotAllowed, RosterAway, CatalogUnreadable."""
        reference = VersionReference.parse(origin)
        namespace = _owner(reference, claim)
        if namespace != claim.namespace and not self._grants.granted(namespace, claim.namespace):
            raise SourceNotAllowed(
                f"this is of the namespace {namespace}, which has granted nothing to {claim.namespace};"
                f" its owner can: see the ConfigMap rokcsi-grants in the documentation. It reads {origin[:200]}"
            )
        version = self._version(namespace, reference.prefix)
        return _member(version, reference.origin).snapshot

    def owner(self, asker: NamespacedName, origin: str) -> str:
        """Give the namespace of an origin, the asker's own where it names none; raise InvalidRequest."""
        return _owner(VersionReference.parse(origin), asker)

    def _version(self, namespace: str, prefix: str) -> Version:
        since = self._pods.namespace_since(namespace)
        if since is None or namespace not in self._shelves.namespaces():
            raise RecordNotFound(f"the namespace {namespace} has no checkpoints")
        version = self._shelves.of(namespace).versions.find(prefix)
        if version.created_at < since - dt.timedelta(minutes=1):
            raise RecordNotFound(f"there is no version {prefix} in the namespace {namespace}")
        return version


def _owner(reference: VersionReference, asker: NamespacedName) -> str:
    """Give the namespace; one that cannot be is refused before anybody is asked about it."""
    return namespace_of(reference.origin.namespace if reference.origin else asker.namespace)


def _member(version: Version, origin: Origin | None) -> Member:
    """Give the member that is meant: the one whose object is named, or the only one."""
    if origin is not None and origin.bucket != version.bucket:
        raise RecordNotFound(f"the version {version.id} is filed in the bucket {version.bucket}, not {origin.bucket}")
    named = origin.object if origin is not None else version.object
    member = next((each for each in version.members if each.object == named), None)
    if member is None and named != version.object:
        raise RecordNotFound(f"the version {version.id} has no member {named}")
    if member is None and len(version.members) != 1:
        objects = ", ".join(each.object for each in version.members)
        raise InvalidRequest(f"the version {version.id} is of several volumes; name one of its members: {objects}")
    return member or version.members[0]
