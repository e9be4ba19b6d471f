"""Shelves on which it is noted which namespace's catalogue cannot be read: once when it begins, and once when it ends.

Everybody in the timeline gets catalogues through it, so whoever first meets one tells.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from rokcsi.model.catalog import Catalog
from rokcsi.model.errors import CatalogUnreadable
from rokcsi.model.visits import Shelves

_log = logging.getLogger(__name__)


class CatalogLog(Protocol):
    """Counts catalogues that cannot be read; may be called from many threads at once."""

    def catalog_unreadable(self, namespace: str) -> None:
        """Take note that a namespace's catalogue cannot be read."""

    def catalog_readable(self, namespace: str) -> None:
        """Take note that it can be read again."""


class NotedShelves:
    """Fits `rokcsi.model.visits.Shelves`, over others; safe for many threads."""

    def __init__(self, shelves: Shelves, log: CatalogLog) -> None:
        self._shelves = shelves
        self._noted = log
        self._lock = threading.Lock()
        self._unreadable: set[str] = set()

    def of(self, namespace: str) -> Catalog:
        """Give a namespace's catalogue; raise InvalidRequest, CatalogUnreadable."""
        try:
            catalog = self._shelves.of(namespace)
        except CatalogUnreadable as error:
            self._begins(namespace, error)
            raise
        self._ends(namespace)
        return catalog

    def namespaces(self) -> Sequence[str]:
        """Give the namespaces that have one, readable or not."""
        return self._shelves.namespaces()

    def remove(self, namespace: str) -> None:
        """Take a namespace's catalogue away, with all that it holds; raise SystemCallFailed."""
        self._shelves.remove(namespace)

    def _begins(self, namespace: str, error: CatalogUnreadable) -> None:
        with self._lock:
            if namespace in self._unreadable:
                return
            self._unreadable.add(namespace)
            self._noted.catalog_unreadable(namespace)
        _log.error("a catalogue cannot be read", extra={"namespace": namespace, "error": str(error)})

    def _ends(self, namespace: str) -> None:
        with self._lock:
            if namespace not in self._unreadable:
                return
            self._unreadable.discard(namespace)
            self._noted.catalog_readable(namespace)
        _log.info("a catalogue can be read again", extra={"namespace": namespace})
