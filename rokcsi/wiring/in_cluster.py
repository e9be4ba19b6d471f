"""A namespace of a Kubernetes cluster as `rokctl --context` works with it: its timeline, and the user's own rights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rokcsi.model.claims import NamespacedName
from rokcsi.model.errors import InvalidRequest, RecordNotFound
from rokcsi.model.history import Member, Version
from rokcsi.model.origin import Origin, VersionReference
from rokcsi.web.line import TimelineLine
from rokcsi.wiring.rosters import kubernetes_client

DEFAULT_TIMELINE = "rokcsi-system/rok-timeline"
_TOKEN_VARIABLE = "ROKCSI_TOKEN"  # noqa: S105 - the variable's name
_PORT = "people"


@dataclass(frozen=True, slots=True)
class Found:
    """A version that was named, of which namespace, and the members that are meant."""

    version: Version
    namespace: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """How a version is to be opened: the pod's name, its command (none: it holds the volumes), the claims' class."""

    name: str
    command: tuple[str, ...] = ()
    storage_class: str = ""


class ClusterNamespace:
    """Made by `cluster_namespace`."""

    def __init__(self, api: Any, timeline: NamespacedName, namespace: str) -> None:
        self._api = api
        self._timeline = timeline
        self.namespace = namespace

    @property
    def line(self) -> TimelineLine:
        """Give the line for this namespace."""
        return self._line(self.namespace)

    def line_of(self, found: Found) -> TimelineLine:
        """Give the line for the namespace of a version that was found."""
        return self._line(found.namespace)

    def find(self, which: str) -> Found:
        """Find what an id, the first 6 digits of one, or a URL names; raise RecordNotFound, InvalidRequest."""
        reference = VersionReference.parse(which)
        namespace = reference.origin.namespace if reference.origin else self.namespace
        version = self._line(namespace).version(reference.prefix)
        return Found(version, namespace, _members(version, reference.origin))

    def url(self, found: Found) -> str:
        """Give a version's URL."""
        return str(Origin.of_version(found.version, namespace=found.namespace))

    def opened(self, found: Found, how: Opening) -> Sequence[Mapping[str, Any]]:
        """Give the objects that open a version in this namespace: claims and a pod. Raises NotSupported."""
        with kubernetes_client():
            from rokcsi.kube.reopened import HOLD, Reopening, reopened  # noqa: PLC0415 - not everybody has the client
        wanted = Reopening(how.name, self.namespace, how.command or HOLD, how.storage_class)
        return reopened(found.version, found.members, found.namespace, wanted)

    def make(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Make them; raise RecordExists, RosterAway."""
        with kubernetes_client():
            from rokcsi.kube.access import make  # noqa: PLC0415 - as above
        make(self._api, objects)

    def _line(self, namespace: str) -> TimelineLine:
        with kubernetes_client():
            from rokcsi.kube.service_line import ServiceLine  # noqa: PLC0415 - as above
        way = ServiceLine(self._api, self._timeline, _PORT, os.environ.get(_TOKEN_VARIABLE, ""))
        return TimelineLine(way, namespace)


def cluster_namespace(context: str, namespace: str | None, timeline: str = DEFAULT_TIMELINE) -> ClusterNamespace:
    """Open a namespace of the cluster of a kubeconfig's context; raise InvalidRequest, NotSupported."""
    where, slash, service = timeline.partition("/")
    if not where or not slash or not service:
        raise InvalidRequest(
            f"not NAMESPACE/SERVICE: {timeline[:80]!r}; it is {DEFAULT_TIMELINE} unless told otherwise"
        )
    with kubernetes_client():
        from rokcsi.kube.access import access  # noqa: PLC0415 - as above
    way = access(context)
    return ClusterNamespace(way.api, NamespacedName(where, service), namespace or way.namespace)


def _members(version: Version, origin: Origin | None) -> tuple[Member, ...]:
    """Give the members that an address names: all where it is the version's own."""
    if origin is None or origin.object == version.object:
        return version.members
    named = tuple(member for member in version.members if member.object == origin.object)
    if not named:
        raise RecordNotFound(f"the version {version.id} has no member {origin.object}")
    return named
