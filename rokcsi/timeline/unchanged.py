"""Versions of what cannot have changed: they rest on a cut that is there already (rok-api: trap 6).

A fresh clone is what it was cloned from, until somebody may have written to it. A pod that
mounts all its volumes read-only leaves them as they were, unless somebody else was there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from rokcsi.model.doorkeeper import Side
from rokcsi.model.history import Version
from rokcsi.model.visits import VisitedVolume, version_at_door
from rokcsi.timeline.taking import Occasion, Taking
from rokcsi.timeline.visit_book import VisitBook
from rokcsi.timeline.witness import Witness


class Unchanged:
    """Files such versions, and gives None where a cut has to be taken."""

    def __init__(self, taking: Taking, witness: Witness) -> None:
        self._taking = taking
        self._witness = witness

    def since_its_origin(
        self,
        book: VisitBook,
        occasion: Occasion,
        volumes: Sequence[VisitedVolume],
        answered_since: dt.datetime | None,
    ) -> Version | None:
        """File the `before` of a pod whose volumes are all fresh clones of one version."""
        snapshots = [volume.from_snapshot for volume in volumes]
        uid = occasion.visit.attempt.pod_uid
        if not all(snapshots) or not all(
            self._witness.untouched(each.handle, each.created, besides=uid, answered_since=answered_since)
            for each in volumes
        ):
            return None
        origin = _origin(book, snapshots)
        if origin is None:
            return None
        return self._taking.resting(book, replace(occasion, parent=origin.id), origin, snapshots)

    def since_before(self, book: VisitBook, occasion: Occasion, answered_since: dt.datetime | None) -> Version | None:
        """File the `after` of a pod that could write to none of its volumes."""
        uid = occasion.visit.attempt.pod_uid
        before = book.taken(version_at_door(uid, Side.BEFORE))
        if before is None or before.late or not all(mount.readonly for mount in occasion.mounts):
            return None
        if not all(
            self._witness.untouched(mount.volume, before.created_at, besides=uid, answered_since=answered_since)
            for mount in occasion.mounts
        ):
            return None
        return self._taking.resting(book, occasion, before, [member.snapshot for member in before.members])


def _origin(book: VisitBook, snapshots: Sequence[str]) -> Version | None:
    """Give the newest version that holds all these snapshots."""
    wanted = set(snapshots)
    versions = reversed(book.ready())
    return next((each for each in versions if wanted <= {member.snapshot for member in each.members}), None)
