"""Checkpoints as VolumeSnapshots: whoever may write one in a namespace gets the content for it, or hears why not.

A snapshot is looked at as it is now, whatever has brought it here: what it lacks is made, and
a content whose snapshot is gone goes, too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from rokcsi.model.claims import NamespacedName
from rokcsi.model.errors import CatalogUnreadable, InvalidRequest, NotFound, SourceNotAllowed
from rokcsi.model.ids import shown_alone
from rokcsi.model.object_names import LONGEST_NAME
from rokcsi.model.requested_snapshots import Content, RequestedSnapshot, SnapshotContents, content_name
from rokcsi.model.visits import Origins
from rokcsi.timeline.telling import Telling

REASON = "OriginRefused"
_SELDOM_SECONDS = 60.0  # a checkpoint may yet come, and a grant
_SOON_SECONDS = 1.0
_log = logging.getLogger(__name__)


class OwnedOrigins(Origins, Protocol):
    """Origins, and whose they are."""

    def owner(self, asker: NamespacedName, origin: str) -> str:
        """Give the namespace of an origin; raise InvalidRequest."""


class Providing:
    """Looks at one snapshot at a time; `alone` keeps retention from a namespace meanwhile."""

    def __init__(
        self,
        contents: SnapshotContents,
        origins: OwnedOrigins,
        alone: Callable[[str], AbstractContextManager[None]],
        telling: Telling,
    ) -> None:
        self._contents = contents
        self._origins = origins
        self._alone = alone
        self._telling = telling

    def left(self) -> Iterator[NamespacedName]:
        """Give the snapshots for which contents were made: some may have gone meanwhile. Raises RosterAway."""
        return (content.of for content in self._contents.made())

    def look(self, name: NamespacedName) -> float | None:
        """Make a snapshot's content, or remove it; give the seconds until the next look, None where all is well."""
        wished, found = self._contents.snapshot(name), self._contents.content(content_name(name))
        if found is not None and found.is_ours and (wished is None or wished.uid != found.of_uid):
            self._contents.remove(found)
            return _SOON_SECONDS if wished is not None else None
        if wished is None or not wished.origin or wished.is_leaving:
            return None
        try:
            self._provide(wished, found)
        except (SourceNotAllowed, NotFound, InvalidRequest, CatalogUnreadable) as error:
            self._telling.tell(wished, REASON, str(error))
            return _SELDOM_SECONDS
        return None

    def _provide(self, wished: RequestedSnapshot, found: Content | None) -> None:
        name = content_name(wished.name)
        if len(name) > LONGEST_NAME:
            raise InvalidRequest(
                f"the snapshot's name is too long by {len(name) - LONGEST_NAME} letters for that of its content"
            )
        if wished.content != name:
            raise InvalidRequest(
                f"a VolumeSnapshot with an origin has to say volumeSnapshotContentName: {name} as its source"
            )
        if found is not None and found.of_uid != wished.uid:
            raise SourceNotAllowed(f"there is a VolumeSnapshotContent {name} already, and it is not of this snapshot")
        if found is None:
            with self._alone(self._origins.owner(wished.name, wished.origin)):
                handle = self._origins.snapshot_for(wished.name, wished.origin)
                self._contents.make(wished, shown_alone(handle))
            _log.info("provided a snapshot", extra={"snapshot": str(wished.name)})
