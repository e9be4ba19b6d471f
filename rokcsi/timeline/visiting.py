"""Both ends of a pod's visit: who it is, whose volumes want a checkpoint, what the others on them are doing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rokcsi.model.consent import consents
from rokcsi.model.doorkeeper import Passage, PodAtDoor, Side
from rokcsi.model.errors import CatalogUnreadable, NotFound, RokcsiError
from rokcsi.model.history import Version
from rokcsi.model.ids import pool_of_volume
from rokcsi.model.visits import Shelves, VisitedPods, VisitedVolume, VisitingPod, version_at_door
from rokcsi.pipeline.world import utc_now
from rokcsi.system.locks import KeyedLocks
from rokcsi.timeline.announcing import Announcing
from rokcsi.timeline.delay import CheckpointLog, Delay, Part
from rokcsi.timeline.earlier import Earlier
from rokcsi.timeline.identity import identity_of, is_step
from rokcsi.timeline.room import Room
from rokcsi.timeline.taking import Occasion, Taking
from rokcsi.timeline.unchanged import Unchanged
from rokcsi.timeline.visit_book import Visit, VisitBook
from rokcsi.timeline.witness import Witness


@dataclass(frozen=True, slots=True)
class VisitParts:
    """What visits are dealt with by.

    `begun` is told of every pod whose visit is written down, `filed` of every namespace that
    got a version.
    """

    pods: VisitedPods
    shelves: Shelves
    taking: Taking
    room: Room
    announcing: Announcing
    witness: Witness
    begun: Callable[[PodAtDoor], None]
    filed: Callable[[str], None]
    log: CheckpointLog


class Visiting:
    """Fits `rokcsi.model.visits.Visits`; the pods of one namespace take their turns."""

    def __init__(self, parts: VisitParts) -> None:
        self._parts = parts
        self._turns = KeyedLocks()
        self._unchanged = Unchanged(parts.taking, parts.witness)
        self._earlier = Earlier(parts.pods, parts.taking)

    def enters(self, passage: Passage) -> str:
        """Give the id of the version taken before the pod, empty where none is wanted.

        Raises what cuts do, RosterAway, CatalogUnreadable.
        """
        delay = Delay()
        with delay.of(Part.GATHERING):
            pod = self._parts.pods.pod(passage.pod)
            volumes = [] if pod is None else self._parts.pods.volumes(pod)
        if pod is None:
            self._parts.witness.entered(passage.pod.uid, [passage.volume])
            return ""
        self._parts.witness.entered(pod.at.uid, [volume.handle for volume in volumes if not volume.readonly])
        wanted = _wanted(volumes, passage.volume)
        if not wanted or not is_step(pod):
            return ""
        with delay.until_in(Part.TURN, self.alone(pod.at.namespace)):
            return self._before(passage, pod, wanted, delay)

    def leaves(self, passage: Passage) -> str:
        """Give the id of the version taken after the pod, empty where none is wanted; raises as `enters`."""
        return self._left(passage, late=False)

    def overdue(self, pod: PodAtDoor, side: Side) -> str:
        """Take the version at one end of a pod's visit that is known, now that the instant has passed: it is late.

        Raises as `enters`.
        """
        if side is Side.AFTER:
            return self._left(Passage(pod, side, ""), late=True)
        with self.alone(pod.namespace):
            book = self.book(pod.namespace)
            visit = book.visit_of(pod.uid)
            if visit is None:
                return ""
            occasion = Occasion(visit, side, _parent(book, visit), late=True)
            return self._filed(book, pod, occasion, self._taken(book, pod, occasion))

    def book(self, namespace: str) -> VisitBook:
        """Give a namespace's visits; `alone` before anything is written."""
        return VisitBook(namespace, self._parts.shelves.of(namespace), utc_now)

    def visit_of(self, pod: PodAtDoor) -> Visit | None:
        """Give a pod's visit that is written down; a namespace that has no catalogue gets none by being asked about."""
        there = pod.namespace in self._parts.shelves.namespaces()
        return self.book(pod.namespace).visit_of(pod.uid) if there else None

    def alone(self, namespace: str) -> AbstractContextManager[None]:
        """Keep others from a namespace's visits; raises what `KeyedLocks.held` does."""
        return self._turns.held([f"visits {namespace}"])

    def _before(self, passage: Passage, pod: VisitingPod, wanted: Sequence[VisitedVolume], delay: Delay) -> str:
        wished = version_at_door(pod.at.uid, Side.BEFORE)
        try:
            book = self.book(pod.at.namespace)
        except CatalogUnreadable as error:
            self._parts.announcing.failed(pod.at, Side.BEFORE, error)
            raise
        if book.taken(wished) is not None:
            return wished
        begun_before = book.version(wished) is not None
        visit = book.begun(pod, identity_of(pod), wanted)
        self._parts.begun(pod.at)
        if pod.started and not begun_before:
            self._parts.announcing.missed(pod.at)
            return ""
        if not self._has_room(book, pod.at, passage.volume, delay):
            return ""
        with delay.of(Part.GATHERING):
            others = self._earlier.met_by(book, visit, pod.at.namespace)
        occasion = Occasion(visit, Side.BEFORE, _parent(book, visit), others.running, pod.started, delay)
        version = self._unchanged.since_its_origin(book, occasion, wanted, passage.answered_since)
        if version is None:
            version = self._taken(book, pod.at, occasion)
        self._earlier.served_by(book, others, version)
        return self._filed(book, pod.at, occasion, version)

    def _left(self, passage: Passage, *, late: bool) -> str:
        delay = Delay()
        with delay.until_in(Part.TURN, self.alone(passage.pod.namespace)):
            version = self._after(passage, delay, late=late)
        self._parts.witness.left(passage.pod.uid)
        return version

    def _after(self, passage: Passage, delay: Delay, *, late: bool) -> str:
        at, wished = passage.pod, version_at_door(passage.pod.uid, Side.AFTER)
        with delay.of(Part.GATHERING):
            visit = self._visit(passage)
        if visit is None:
            return ""
        book = self.book(at.namespace)
        if book.taken(wished) is not None:
            return wished
        with delay.of(Part.GATHERING):
            pod = self._parts.pods.pod(at)
        if visit.is_open and (pod is None or pod.is_over or pod.leaving):
            visit = book.ended(visit, pod)
        if not self._has_room(book, at, visit.attempt.mounts[0].volume, delay):
            return ""
        with delay.of(Part.GATHERING):
            others = self._earlier.met_by(book, visit, at.namespace)
        occasion = Occasion(visit, Side.AFTER, visit.attempt.before, others.running, late, delay)
        version = None if late else self._unchanged.since_before(book, occasion, passage.answered_since)
        if version is None:
            version = self._taken(book, at, occasion)
        return self._filed(book, at, occasion, version)

    def _has_room(self, book: VisitBook, at: PodAtDoor, volume: str, delay: Delay) -> bool:
        with delay.of(Part.ROOM):
            return self._parts.room.is_there(book, at, volume)

    def _visit(self, passage: Passage) -> Visit | None:
        """Give the visit that ends, begun now where its beginning was missed; None where no checkpoint is wanted."""
        at = passage.pod
        known = self._known(passage)
        if known is not None:
            return known
        pod = self._parts.pods.pod(at)
        wanted = [] if pod is None else self._wanted(pod, passage.volume)
        if pod is None or not wanted:
            return None
        self._parts.announcing.missed(at)
        visit = self.book(at.namespace).begun(pod, identity_of(pod), wanted)
        self._parts.begun(at)
        return visit

    def _known(self, passage: Passage) -> Visit | None:
        """Give the visit that is written down; where nobody can read whether it is, a pod that wants none goes its way."""
        at = passage.pod
        try:
            return self.visit_of(at)
        except CatalogUnreadable as error:
            pod = self._parts.pods.pod(at)
            if pod is not None and not self._wanted(pod, passage.volume):
                return None
            self._parts.announcing.failed(at, passage.side, error)
            raise

    def _wanted(self, pod: VisitingPod, at_door: str) -> Sequence[VisitedVolume]:
        """Give the volumes of a pod that want a checkpoint; none where it is no step."""
        return _wanted(self._parts.pods.volumes(pod), at_door) if is_step(pod) else ()

    def _taken(self, book: VisitBook, at: PodAtDoor, occasion: Occasion) -> Version:
        try:
            return self._parts.taking.taken(book, occasion)
        except RokcsiError as error:
            self._parts.announcing.failed(at, occasion.side, error)
            raise

    def _filed(self, book: VisitBook, at: PodAtDoor, occasion: Occasion, version: Version) -> str:
        book.point(occasion.visit, occasion.side, version)
        told = str(occasion.delay)
        with occasion.delay.of(Part.TELLING):
            self._parts.announcing.taken(at, version, told)
        self._parts.filed(at.namespace)
        for part, seconds in occasion.delay.parts().items():
            self._parts.log.waited(occasion.side, part, seconds)
        return version.id


def _wanted(volumes: Sequence[VisitedVolume], at_door: str) -> list[VisitedVolume]:
    """Give the volumes that want checkpoints and can be cut at one instant: those in the pool of the one at the door."""
    consenting = [volume for volume in volumes if consents(volume.said)]
    try:
        pool = pool_of_volume(at_door)
        return [volume for volume in consenting if pool_of_volume(volume.handle) == pool]
    except NotFound:  # a handle that somebody has written by hand
        return []


def _parent(book: VisitBook, visit: Visit) -> str | None:
    """Give the newest version of the run that has a volume in common with a visit."""
    earlier = [each.id for each in book.ready(visit.who.run) if visit.claims & set(each.claims)]
    return earlier[-1] if earlier else None
