"""Is the file system in a snapshot sound? Asked before a clone of it, or it itself, is handed out.

A snapshot never changes and has no device, so a transient clone of it is looked at: the same
bytes. A snapshot of a mounted volume carries a log to be replayed, which `xfs_repair -n`
takes for damage and `e2fsck -n` passes over; so the clone is mounted and unmounted first, as
the first pod would do. The clone then goes, whatever was found; what a crash leaves of it is
removed at the next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rokcsi.model.errors import Damaged, NotFound, StillInUse, VolumeDamaged
from rokcsi.model.ids import VolumeId
from rokcsi.model.mounter import Mounter
from rokcsi.model.pool import Pool
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import NewVolume, Volume, VolumeSource
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.naming import is_transient, transient_name


class Verifier:
    """Checks snapshots of `pool`; file systems are mounted for a moment at a folder below `workplace`."""

    def __init__(self, pool: Pool, mounter: Mounter, workplace: Path, locks: KeyedLocks) -> None:
        self._pool = pool
        self._mounter = mounter
        self._workplace = workplace
        self._locks = locks

    def check(self, snapshot: Snapshot) -> None:
        """Raise VolumeDamaged when the file system in a snapshot is; a raw or never formatted one has none."""
        if snapshot.filesystem is None or not snapshot.formatted:
            return
        with self._locks.held([f"check {snapshot.id}"]), self._transient_clone(snapshot) as clone:
            device = self._pool.attach(clone.id)
            self._replay_log(device, clone.id, snapshot.filesystem)
            self._mounter.check(device, snapshot.filesystem)

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
        clone = self._pool.clone_snapshot(
            snapshot.id, NewVolume(name, snapshot.size, snapshot.filesystem, source, labels=snapshot.labels)
        )
        try:
            yield clone
        finally:
            self._remove(clone.id)

    def _replay_log(self, device: Path, id: VolumeId, filesystem: str) -> None:
        target = self._workplace / id
        try:
            self._mounter.mount(device, target, filesystem, readonly=False, options=())
        except Damaged as error:
            raise VolumeDamaged(f"the file system cannot be mounted: {error}") from error
        finally:
            self._mounter.unmount(target)

    def _remove(self, id: VolumeId) -> None:
        self._pool.volume(id)
        self._mounter.unmount(self._workplace / id)
        self._pool.detach(id)
        self._pool.delete_volume(id)
