"""A version let go: the record is marked first and removed last, so that a repetition finishes.

Shared by what people delete on this machine and by what a cluster's timeline keeps no longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rokcsi.model.catalog import Catalog
from rokcsi.model.history import Version, VersionState


def let_go(catalog: Catalog, version: Version, remove_cut: Callable[[Version], None]) -> None:
    """Remove a version in whatever state it is, and its cut with the last one that rests on it; may be repeated after a crash."""
    catalog.versions.save(replace(version, state=VersionState.DELETING))
    if all(other.id == version.id for other in catalog.versions.sharing(version.cut_name)):
        remove_cut(version)
    catalog.versions.remove(version.id)
