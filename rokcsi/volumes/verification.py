"""Is the file system in a snapshot sound? Asked before a clone of it, or it itself, is handed out.

A snapshot never changes and has no device, so a transient clone of it is looked at: the same
bytes, whose log may be replayed as the first mount would do. The clone then goes, whatever
was found; what a crash leaves of it is removed at the next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from rokcsi.model.deadline import beyond_the_call
from rokcsi.model.errors import NotFound, StillInUse
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import NewVolume, Volume, VolumeSource
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.naming import is_transient, transient_name


class FilesystemChecker(Protocol):
    """The one verb of `Mounter` that is needed here."""

    def check(self, device: Path, filesystem: str) -> None:
        """Check a file system that is not mounted, replaying its log first; raise VolumeDamaged."""


class Verifier:
    """Checks snapshots of `pool`, each by one call at a time."""

    def __init__(self, pool: Pool, checker: FilesystemChecker, locks: KeyedLocks) -> None:
        self._pool = pool
        self._checker = checker
        self._locks = locks

    def check(self, snapshot: Snapshot) -> None:
        """Raise VolumeDamaged when the file system in a snapshot is; a raw or never formatted one has none."""
        if snapshot.filesystem is None or not snapshot.formatted:
            return
        with self._locks.held([f"check {snapshot.id}"]), self._transient_clone(snapshot) as clone:
            self._checker.check(self._pool.attach(clone.id), snapshot.filesystem)

    def remove_leftovers(self) -> None:
        """Remove the clones that a crash has left; one that something holds stays until the next start."""
        for volume in self._pool.volumes():
            if is_transient(volume.name):
                with suppress(StillInUse):
                    self._remove(volume.id)

    @contextmanager
    def _transient_clone(self, snapshot: Snapshot) -> Iterator[Volume]:
        name = transient_name("check of", snapshot.id)
        with suppress(NotFound):
            self._remove(VolumeId.of_name(name))
        source = VolumeSource(snapshot=snapshot.id)
        clone = self._pool.clone_snapshot(snapshot.id, NewVolume(name, snapshot.size, snapshot.filesystem, source))
        try:
            yield clone
        finally:
            with beyond_the_call():
                self._remove(clone.id)

    def _remove(self, id: VolumeId) -> None:
        self._pool.detach(id)
        self._pool.delete_volume(id)
