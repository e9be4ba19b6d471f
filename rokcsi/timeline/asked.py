"""Checkpoints that people ask for: of a pod as it stands, and what is done with any of a namespace.

One that was asked for is filed under the pod, in the bucket `notebooks`, and stays until
somebody removes it. The intent is written first, with the handles of the volumes, so that
what an interruption has left is undone.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rokcsi.model.errors import InvalidRequest, PoolFull, RecordNotFound, RokcsiError, StillInUse
from rokcsi.model.history import (
    NOTEBOOKS_BUCKET,
    Member,
    Reason,
    ReasonKind,
    Version,
    VersionState,
)
from rokcsi.model.origin import VersionReference
from rokcsi.model.people import Wish
from rokcsi.model.sizes import Bytes
from rokcsi.model.visits import (
    CutVolume,
    Shelves,
    VisitedPods,
    VisitedVolume,
    VisitingPod,
    VolumeCut,
    VolumeCuts,
    cut_of_asked,
)
from rokcsi.timeline.cutting import UNCLEAR, cut_as_written, made_ready, member_at
from rokcsi.timeline.keeping import Keeping
from rokcsi.timeline.labelling import said_of_asked
from rokcsi.timeline.room import Room
from rokcsi.timeline.visit_book import VisitBook, mounted
from rokcsi.timeline.visiting import Visiting

_CLOCKS_DIFFER = dt.timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class AskedParts:
    """What is worked with; `unclear` is told of a namespace where a cut may have been left."""

    pods: VisitedPods
    shelves: Shelves
    cuts: VolumeCuts
    room: Room
    visiting: Visiting
    keeping: Keeping
    unclear: Callable[[str], None]


class Asked:
    """Fits `rokcsi.model.people.AskedCheckpoints`."""

    def __init__(self, parts: AskedParts) -> None:
        self._parts = parts

    def versions(self, namespace: str) -> Sequence[Version]:
        """Give all that are ready, the oldest first; none of an earlier namespace of the same name."""
        since = self._parts.pods.namespace_since(namespace)
        if since is None or namespace not in self._parts.shelves.namespaces():
            return []
        ready = self._parts.visiting.book(namespace).ready()
        return [version for version in ready if version.created_at >= since - _CLOCKS_DIFFER]

    def version(self, namespace: str, which: str) -> Version:
        """Give one; raise RecordNotFound, InvalidRequest, RosterAway."""
        prefix = VersionReference.parse(which).prefix
        found = [version for version in self.versions(namespace) if version.id.startswith(prefix)]
        if not found:
            raise RecordNotFound(f"there is no version {prefix} in the namespace {namespace}")
        if len(found) > 1:
            raise InvalidRequest(f"{len(found)} versions begin with {prefix}; give more digits")
        return found[0]

    def take(self, namespace: str, wish: Wish) -> Version:
        """Cut all volumes of a pod at one instant; raise RecordNotFound, InvalidRequest, PoolFull, and what cuts do."""
        pod = self._parts.pods.named(namespace, wish.pod)
        if pod is None:
            raise RecordNotFound(f"there is no pod {wish.pod} in the namespace {namespace}")
        volumes = self._parts.pods.volumes(pod)
        if not volumes:
            raise InvalidRequest(f"the pod {wish.pod} has no volumes of this driver")
        with self._parts.visiting.alone(namespace):
            book = self._parts.visiting.book(namespace)
            if not self._parts.room.is_there(book, pod.at, volumes[0].handle):
                raise PoolFull(f"no checkpoint is taken of {wish.pod}: `kubectl describe pod {wish.pod}` says why")
            wanted = _wanted(book, wish, pod, volumes)
            book.file(wanted)
            ready = _ready(wanted, self._cut(book, wanted))
            book.file(ready)
            return ready

    def pin(self, namespace: str, which: str, *, pinned: bool) -> Version:
        """Keep one, or let it go with the others of its run; raise as `version`."""
        with self._parts.visiting.alone(namespace):
            changed = replace(self.version(namespace, which), pinned=pinned)
            self._parts.visiting.book(namespace).file(changed)
            return changed

    def remove(self, namespace: str, which: str) -> Version:
        """Let one go; raise StillInUse where it is pinned, Unavailable where its node is away, and as `version`."""
        with self._parts.visiting.alone(namespace):
            version = self.version(namespace, which)
            if version.pinned:
                raise StillInUse(f"version {version.id} is pinned; unpin it first")
            self._parts.keeping.let_go(namespace, version)
            return version

    def look(self, namespace: str) -> float | None:
        """Undo what was asked for and not finished; raise Unavailable where a node is still away."""
        with self._parts.visiting.alone(namespace):
            book = self._parts.visiting.book(namespace)
            for version in book.unfinished():
                if version.reason.kind is ReasonKind.MANUAL:
                    self._undo(book, version)
        return None

    def _cut(self, book: VisitBook, wanted: Version) -> VolumeCut:
        said = said_of_asked(book.namespace, wanted)
        try:
            return cut_as_written(self._parts.cuts, book, wanted, _handles(wanted), said)
        except UNCLEAR:
            self._parts.unclear(book.namespace)
            raise

    def _undo(self, book: VisitBook, version: Version) -> None:
        """Remove a cut that may have been made: its name gives it again."""
        said = said_of_asked(book.namespace, version)
        try:
            self._parts.cuts.remove(self._parts.cuts.cut(version.cut_name, _handles(version), said).handle)
        except UNCLEAR:
            raise
        except RokcsiError:  # the volumes are gone, or the node refuses: there is none
            pass
        book.strike(version.id)


def _wanted(book: VisitBook, wish: Wish, pod: VisitingPod, volumes: Sequence[VisitedVolume]) -> Version:
    new = str(uuid.uuid4())
    claims = tuple(volume.claim for volume in volumes)
    earlier = [each.id for each in book.ready() if set(claims) & set(each.claims)]
    return Version(
        id=new,
        bucket=NOTEBOOKS_BUCKET,
        object=pod.at.name,
        created_at=book.now(),
        reason=Reason(
            ReasonKind.MANUAL,
            command=pod.set_up.command,
            environment=pod.set_up.environment,
            working_directory=pod.set_up.working_directory,
            template=pod.set_up.template,
        ),
        title=wish.title,
        message=wish.message,
        author=wish.author,
        members=tuple(_begun(pod, place, volume) for place, volume in enumerate(volumes)),
        state=VersionState.TAKING,
        cut_name=cut_of_asked(new),
        claims=claims,
        parent=earlier[-1] if earlier else None,
    )


def _begun(pod: VisitingPod, place: int, volume: VisitedVolume) -> Member:
    """Give a member of which there is no snapshot yet: the volume's handle stands for it."""
    return member_at(place, mounted(volume), pod.at.name, CutVolume(volume.handle, volume.handle, Bytes(0)))


def _handles(taking: Version) -> list[str]:
    return [member.snapshot for member in taking.members]


def _ready(wanted: Version, cut: VolumeCut) -> Version:
    cut_of = {each.volume: each for each in cut.volumes}
    found = ((member, cut_of[member.snapshot]) for member in wanted.members)
    return made_ready(wanted, [replace(member, snapshot=its.snapshot, size=its.size) for member, its in found], cut)
