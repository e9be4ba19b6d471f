"""Pods that are on the same volumes: the next step may come before the last one has gone (rok-api: trap 1).

One that has ended will write no more, so a cut taken now is its `after` as well. One that
runs may be in the middle of a file, and is named in both its own and the other's versions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from rokcsi.model.doorkeeper import PodAtDoor, Side
from rokcsi.model.errors import RokcsiError
from rokcsi.model.history import Version
from rokcsi.model.visits import VisitedPods, VisitingPod, version_at_door
from rokcsi.timeline.taking import Occasion, Taking
from rokcsi.timeline.visit_book import Visit, VisitBook

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Met:
    """A visit to some of the same volumes, and its pod; None where that is gone."""

    visit: Visit
    pod: VisitingPod | None

    @property
    def may_write(self) -> bool:
        """Tell whether a container of it may still run."""
        return self.pod is not None and not self.pod.is_over


@dataclass(frozen=True, slots=True)
class Others:
    """The visits that a pod meets on its volumes."""

    met: tuple[Met, ...]

    @property
    def running(self) -> tuple[str, ...]:
        """Give the steps that may be writing."""
        return tuple(sorted({met.visit.who.step for met in self.met if met.may_write}))


class Earlier:
    """Looks at who is on a visit's volumes."""

    def __init__(self, pods: VisitedPods, taking: Taking) -> None:
        self._pods = pods
        self._taking = taking

    def met_by(self, book: VisitBook, visit: Visit, namespace: str) -> Others:
        """Give the other visits to the same volumes that have no `after` yet; raise RosterAway."""
        return Others(tuple(self._met(book, visit, namespace)))

    def _met(self, book: VisitBook, visit: Visit, namespace: str) -> Iterator[Met]:
        for other in book.open_visits():
            attempt = other.attempt
            if attempt.pod_uid == visit.attempt.pod_uid or not other.claims & visit.claims:
                continue
            if book.taken(version_at_door(attempt.pod_uid, Side.AFTER)) is None:
                yield Met(other, self._pods.pod(PodAtDoor(namespace, attempt.pod, attempt.pod_uid)))

    def served_by(self, book: VisitBook, others: Others, version: Version) -> None:
        """Let a version that was just taken be the `after` of those that have ended; where that fails, their leaving will do it."""
        for met in others.met:
            if not met.may_write:
                try:
                    self._end(book, met, version)
                except RokcsiError as error:
                    _log.warning("the step before has no checkpoint after it yet", extra={"error": str(error)})

    def _end(self, book: VisitBook, met: Met, version: Version) -> None:
        ended = book.ended(met.visit, met.pod)
        occasion = Occasion(ended, Side.AFTER, ended.attempt.before, late=met.pod is None)
        cut_of = {member.claim: member.snapshot for member in version.members}
        if ended.claims <= set(cut_of):
            snapshots = [cut_of[mount.claim] for mount in occasion.mounts]
            after = self._taking.resting(book, occasion, version, snapshots)
        else:
            after = self._taking.taken(book, occasion)
        book.point(ended, Side.AFTER, after)
