"""How a volume comes into being: empty, from a snapshot, or from another volume.

A volume asked for again is the same when its size lies within the range asked for, and its
source, file system and the mutable parameters it was made with are those asked for. A volume from a volume is a snapshot, a clone,
and the end of the snapshot; a crash in between leaves a snapshot whose name says so.

A raw block volume may be made from a file system's snapshot (backup programs read it so),
never the other way round: the kernel would be made to mount bytes that somebody wrote to a
raw device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rokcsi.model.deadline import beyond_the_call
from rokcsi.model.errors import InvalidRequest, SnapshotNotFound, VolumeDiffers, VolumeNotFound
from rokcsi.model.ids import Handles, SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.provisioner import Verification, VolumeRequest
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import NewVolume, Volume, VolumeSource
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.mutable import checked_mutable, labels_of_new, made_with
from rokcsi.volumes.naming import checked_name, is_transient, transient_name
from rokcsi.volumes.sizing import ANY_FILESYSTEM, checked_filesystem, copied_size, fresh_filesystem, fresh_size
from rokcsi.volumes.verification import Verifier

declare("volume.copy.cut", "volume.copy.cloned", "volume.copy.forgotten")


class VolumeMaker:
    """Makes volumes in a pool; one at a time for each name, so that concurrent duplicates make one."""

    def __init__(self, pool: Pool, verifier: Verifier, locks: KeyedLocks) -> None:
        self._pool = pool
        self._verifier = verifier
        self._locks = locks
        self._handles = Handles(pool.id)

    def made(self, request: VolumeRequest) -> Volume:
        """Make a volume, or give the one made before; raise what `Provisioner.provision` names."""
        identity = VolumeId.of_name(checked_name(request.name))
        checked_filesystem(request.filesystem)
        checked_mutable(request.mutable)
        self._refuse_untunable(request)
        source = self._source(request)
        with self._locks.held([f"request {identity}"]):
            try:
                return _same(self._pool.volume(identity), request, source)
            except VolumeNotFound:
                return self._made(request, source)

    def remove_leftovers(self) -> None:
        """Remove the snapshots that a crash has left on the way from one volume to another."""
        leftovers = [snapshot.id for snapshot in self._pool.snapshots() if is_transient(snapshot.name)]
        if leftovers:
            self._pool.delete_snapshots(leftovers)

    def _source(self, request: VolumeRequest) -> VolumeSource | None:
        if request.from_snapshot is not None and request.from_volume is not None:
            raise InvalidRequest("a volume begins as a snapshot or as a volume, not as both; name one source")
        if request.from_snapshot is not None:
            return VolumeSource(snapshot=self._handles.snapshot(request.from_snapshot))
        if request.from_volume is not None:
            return VolumeSource(volume=self._handles.volume(request.from_volume))
        return None

    def _made(self, request: VolumeRequest, source: VolumeSource | None) -> Volume:
        if source is None:
            return self._empty(request)
        if source.volume is not None:
            return self._copy(request, source.volume)
        if source.snapshot is None:
            raise InvalidRequest("the volume's source names nothing")
        snapshot = self._pool.snapshot(source.snapshot)
        if is_transient(snapshot.name):
            raise SnapshotNotFound(f"there is no snapshot {source.snapshot}")
        return self._clone(request, snapshot, source)

    def _empty(self, request: VolumeRequest) -> Volume:
        filesystem = fresh_filesystem(request.filesystem)
        size = fresh_size(request.size, filesystem, self._pool.traits.allocation_unit)
        labels = {**request.labels, **labels_of_new(request.mutable)}
        return self._pool.create_volume(NewVolume(request.name, size, filesystem, labels=labels, tuning=request.tuning))

    def _clone(self, request: VolumeRequest, snapshot: Snapshot, source: VolumeSource) -> Volume:
        new = self._new_copy(request, snapshot, source)
        if request.verify_clone is Verification.CHECK:
            self._verifier.check(snapshot)
        return self._pool.clone_snapshot(snapshot.id, new)

    def _copy(self, request: VolumeRequest, id: VolumeId) -> Volume:
        volume, source = self._pool.volume(id), VolumeSource(volume=id)
        if is_transient(volume.name):
            raise VolumeNotFound(f"there is no volume {id}")
        self._new_copy(request, volume, source)  # refused before anything is cut
        with self._transient_snapshot(id, VolumeId.of_name(request.name)) as snapshot:
            return self._clone(request, snapshot, source)

    def _new_copy(self, request: VolumeRequest, of: Snapshot | Volume, source: VolumeSource) -> NewVolume:
        filesystem = _copied_filesystem(request.filesystem, of.filesystem)
        size = copied_size(request.size, of.size, filesystem, self._pool.traits.allocation_unit)
        labels = {**request.labels, **labels_of_new(request.mutable)}
        return NewVolume(request.name, size, filesystem, source, labels, request.tuning)

    def _refuse_untunable(self, request: VolumeRequest) -> None:
        foreign = request.tuning.named() - self._pool.traits.tunable
        if foreign:
            raise InvalidRequest(
                f"the pool {self._pool.name} lets nobody choose the {min(foreign).replace('_', ' ')} of a volume; "
                "take that parameter out of the class"
            )

    @contextmanager
    def _transient_snapshot(self, of: VolumeId, towards: VolumeId) -> Iterator[Snapshot]:
        new = NewSnapshot(transient_name("copy to", towards), of)
        self._forget(new.id)  # an earlier attempt's would hold older bytes
        [snapshot] = self._pool.take_snapshots([new])
        try:
            failpoint("volume.copy.cut")
            yield snapshot
            failpoint("volume.copy.cloned")
        finally:
            with beyond_the_call():
                self._forget(snapshot.id)
        failpoint("volume.copy.forgotten")

    def _forget(self, id: SnapshotId) -> None:
        with suppress(SnapshotNotFound):
            self._pool.delete_snapshots([id])


def _same(volume: Volume, request: VolumeRequest, source: VolumeSource | None) -> Volume:
    if not request.size.admits(volume.size):
        raise _differs(request, f"size ({volume.size})")
    if volume.source != source:
        raise _differs(request, "source")
    if volume.tuning != request.tuning:
        raise _differs(request, "block size or compression")
    any_kind = request.filesystem == ANY_FILESYSTEM and volume.filesystem is not None
    if not any_kind and volume.filesystem != request.filesystem:
        raise _differs(request, f"file system ({volume.filesystem or 'raw block'})")
    if made_with(volume.labels) != request.mutable:
        raise _differs(request, "set of mutable parameters")
    return volume


def _differs(request: VolumeRequest, what: str) -> VolumeDiffers:
    return VolumeDiffers(f"a volume named {request.name!r} exists with another {what}; choose another name")


def _copied_filesystem(wished: str | None, source: str | None) -> str | None:
    if wished is None:
        return None
    if source is None:
        raise InvalidRequest("the source is a raw block volume: nobody knows what is on it; ask for a raw block volume")
    if wished not in {ANY_FILESYSTEM, source}:
        raise InvalidRequest(f"the source's file system is {source}, not {wished}; ask for {source}")
    return source
