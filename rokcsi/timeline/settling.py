"""What becomes of visits that nobody tells the end of: looked at now and then until it is known (rok-api: traps 2 and 3).

kubelet tells that a pod leaves before the API server may know how it has ended; and after a
node's reboot, or while the timeline was away, nobody tells anything. Begun with what the
catalogues hold when the timeline starts.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from rokcsi.model.doorkeeper import PodAtDoor, Side
from rokcsi.model.errors import Busy, RokcsiError, Unavailable
from rokcsi.model.history import Version
from rokcsi.model.visits import VisitedPods, VisitingPod, version_at_door
from rokcsi.pipeline.titles import step_title
from rokcsi.timeline.visit_book import Visit, VisitBook
from rokcsi.timeline.visiting import Visiting

FIRST_LOOK_SECONDS = 2.0
NEXT_LOOK_SECONDS = 30.0
LEAVES_WITHIN = dt.timedelta(minutes=2)  # so long kubelet may take from a pod's end to its first unmount
_log = logging.getLogger(__name__)


class Settling:
    """Looks at one pod at a time; what it cannot settle yet, it wants to see again."""

    def __init__(self, pods: VisitedPods, visiting: Visiting, clock: Callable[[], dt.datetime]) -> None:
        self._pods = pods
        self._visiting = visiting
        self._clock = clock
        self._over_since: dict[str, dt.datetime] = {}

    def unsettled(self, namespace: str) -> Iterator[PodAtDoor]:
        """Give the pods of a namespace's visits that are open, or of which a version is half taken."""
        book = self._visiting.book(namespace)
        for visit in list(book.visits()):
            if visit.attempt.pod_uid and (visit.is_open or _half_taken(book, visit)):
                yield PodAtDoor(namespace, visit.attempt.pod, visit.attempt.pod_uid)

    def look(self, at: PodAtDoor) -> float | None:
        """Settle one visit; give the seconds until the next look, None where nothing is open. Raises RosterAway, Unavailable."""
        visit = self._visiting.visit_of(at)
        if visit is None:
            return None
        book = self._visiting.book(at.namespace)
        half = _half_taken(book, visit)
        if Side.BEFORE in half:
            self._take(at, Side.BEFORE)
        if not visit.is_open and Side.AFTER not in half:
            return None
        pod = self._pods.pod(at)
        if pod is not None and not pod.is_over and not pod.leaving:
            self._over_since.pop(at.uid, None)
            return NEXT_LOOK_SECONDS
        return self._settled(at, pod, book)

    def _settled(self, at: PodAtDoor, pod: VisitingPod | None, book: VisitBook) -> float | None:
        """Settle the visit of a pod that is over, leaving or gone, once kubelet has had time to tell."""
        if book.taken(version_at_door(at.uid, Side.AFTER)) is None:
            over_since = self._over_since.setdefault(at.uid, self._clock())
            left = (over_since + LEAVES_WITHIN - self._clock()).total_seconds()
            if left > 0:
                return min(left, NEXT_LOOK_SECONDS)
            self._take(at, Side.AFTER)
        elif pod is not None and not pod.is_over:
            return FIRST_LOOK_SECONDS
        self._write_end(at, pod)
        self._over_since.pop(at.uid, None)
        return None

    def _take(self, at: PodAtDoor, side: Side) -> None:
        """Take a version late; where its volumes are gone there is none to take."""
        try:
            self._visiting.overdue(at, side)
        except (Unavailable, Busy):
            raise
        except RokcsiError as error:
            _log.warning("a visit is without a checkpoint", extra={"reason": str(side), "error": str(error)})

    def _write_end(self, at: PodAtDoor, pod: VisitingPod | None) -> None:
        """Write down how the pod has ended, in its visit and in the version after it."""
        with self._visiting.alone(at.namespace):
            book = self._visiting.book(at.namespace)
            visit = book.visit_of(at.uid)
            if visit is None:
                return
            ended = book.ended(visit, pod) if visit.is_open else visit
            after = book.taken(version_at_door(at.uid, Side.AFTER))
            if after is not None:
                book.file(_told_of(after, ended))


def _told_of(after: Version, ended: Visit) -> Version:
    """Give the version after a visit with how that has ended."""
    attempt = ended.attempt
    reason = replace(after.reason, exit_status=attempt.exit_status)
    title = step_title(ended.who.step, attempt.number, after.reason.kind, attempt.exit_status)
    return replace(after, reason=reason, title=title, message=attempt.message)


def _half_taken(book: VisitBook, visit: Visit) -> frozenset[Side]:
    """Give the sides of which a version was begun and is not ready."""
    ids = {side: version_at_door(visit.attempt.pod_uid, side) for side in Side}
    return frozenset(side for side, each in ids.items() if book.version(each) is not None and book.taken(each) is None)
