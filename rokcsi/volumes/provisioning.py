"""The provisioner over any pool: handles in, things out. See `rokcsi.model.provisioner`.

It speaks the callers' language (handles, ranges, what may be shown) and leaves the making to
`making`, the cutting to `cutting`. The pool inside answers repeated calls as the first
(`IdempotentPool`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from rokcsi.model.errors import InvalidRequest, NotFound, SnapshotNotFound, VolumeNotFound
from rokcsi.model.ids import Handles, VolumeId, is_shown_alone
from rokcsi.model.node import NodeUsage
from rokcsi.model.pool import Capacity, Pool
from rokcsi.model.provisioner import CapacityRequest, GroupRequest, SnapshotFilter, SnapshotRequest, VolumeRequest
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Volume
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.cutting import SnapshotCutter
from rokcsi.volumes.labelling import with_said
from rokcsi.volumes.making import VolumeMaker
from rokcsi.volumes.mutable import checked_mutable
from rokcsi.volumes.naming import is_transient
from rokcsi.volumes.sizing import checked_filesystem, fresh_filesystem, grown_size, smallest_size
from rokcsi.volumes.verification import FilesystemChecker, Verifier


class PoolProvisioner:
    """Provisions in one pool.

    `checker`, a Mounter say, looks at file systems where a request asks for that; `locks` bounds how many calls
    may wait, here and in the pool together when it is the pool's own. What a crash has left on
    the way to something else is removed when the provisioner is made. `usage` is the node's
    that shows the volumes of this pool, where there is one.
    """

    def __init__(
        self,
        pool: Pool,
        checker: FilesystemChecker,
        locks: KeyedLocks | None = None,
        usage: NodeUsage | None = None,
    ) -> None:
        locks = locks or KeyedLocks()
        verifier = Verifier(pool, checker, locks)
        self._pool = pool
        self._locks = locks
        self._usage = usage
        self._handles = Handles(pool.id)
        self._maker = VolumeMaker(pool, verifier, locks)
        self._cutter = SnapshotCutter(pool, verifier, locks)
        verifier.remove_leftovers()
        self._maker.remove_leftovers()

    @property
    def handles(self) -> Handles:
        """Writes the handles of the things it returns."""
        return self._handles

    def provision(self, request: VolumeRequest) -> Volume:
        """Make a volume, or find the one made before.

        Raises VolumeDiffers, SizeOutOfRange, SourceTooLarge, VolumeNotFound, SnapshotNotFound,
        InvalidRequest, VolumeDamaged, PoolFull.
        """
        return self._maker.made(request)

    def remove_volume(self, handle: str) -> None:
        """Remove a volume; an unknown one is removed already. Raises StillInUse."""
        try:
            volume = self.volume(handle)
        except VolumeNotFound:
            return
        # What a pod has as a raw device looks free to the pool: its device would be another volume's next.
        with nullcontext() if self._usage is None else self._usage.unused(volume.id):
            self._pool.delete_volume(volume.id)

    def volume(self, handle: str) -> Volume:
        """Give one volume; raise VolumeNotFound."""
        volume = self._pool.volume(self._handles.volume(handle))
        if is_transient(volume.name):
            raise VolumeNotFound(f"there is no volume {handle}")
        return volume

    def volumes(self) -> Sequence[Volume]:
        """Give all volumes, ordered by id."""
        return [volume for volume in self._pool.volumes() if not is_transient(volume.name)]

    def expand(self, handle: str, size: SizeRange) -> Volume:
        """Make a volume at least this large; one that is large enough stays.

        Raises VolumeNotFound, SizeOutOfRange, PoolFull.
        """
        with self._locks.held([f"request {self.volume(handle).id}"]):
            volume = self.volume(handle)
            grown = grown_size(size, volume.size, volume.filesystem, self._pool.traits.allocation_unit)
            return volume if grown == volume.size else self._pool.grow_volume(volume.id, grown)

    def modify(self, handle: str, mutable: Mapping[str, str]) -> Volume:
        """Change what can be changed of a volume's behaviour (see `mutable`); raise VolumeNotFound, InvalidRequest."""
        volume = self.volume(handle)
        labels = checked_mutable(mutable)
        if all(volume.labels.get(key) == value for key, value in labels.items()):
            return volume
        return self._pool.label_volume(volume.id, labels)

    def cut(self, request: SnapshotRequest) -> Snapshot:
        """Take a snapshot, or find the one taken before; raise VolumeNotFound, SnapshotDiffers, VolumeDamaged, PoolFull."""
        volume = self._shown_or_gone(request.volume)
        return self._cutter.cut(request.name, volume, request.verify, request.labels)

    def remove_snapshot(self, handle: str) -> None:
        """Remove a snapshot; an unknown one is removed already. A member of a group raises InvalidRequest.

        A member that is shown alone goes with its group, too; nothing happens when its being shown ends.
        """
        if is_shown_alone(handle):
            return
        try:
            snapshot = self.snapshot(handle)
        except SnapshotNotFound:
            return
        if snapshot.group is not None:
            group = self._handles.of_group(snapshot.group.id)
            raise InvalidRequest(f"the snapshot {handle} is a member of the group {group}; remove the group instead")
        self._pool.delete_snapshots([snapshot.id])

    def snapshot(self, handle: str) -> Snapshot:
        """Give one snapshot; raise SnapshotNotFound."""
        snapshot = self._pool.snapshot(self._handles.snapshot(handle))
        if is_transient(snapshot.name):
            raise SnapshotNotFound(f"there is no snapshot {handle}")
        return snapshot

    def snapshots(self, which: SnapshotFilter) -> Sequence[Snapshot]:
        """Give the snapshots that match, ordered by id; none for an unknown handle."""
        try:
            found = self._candidates(which)
        except NotFound:
            return []
        return [snapshot for snapshot in found if not is_transient(snapshot.name)]

    def cut_group(self, request: GroupRequest) -> Sequence[Snapshot]:
        """Take snapshots of all these volumes at one instant, or find those taken before.

        Raises InvalidRequest, GroupDiffers, VolumeNotFound, VolumeDamaged, PoolFull, NotSupported.
        """
        room = self._pool.traits.label_bytes
        labels = {
            self._shown_or_gone(handle): with_said(request.labels, request.said.of(handle), room)
            for handle in request.volumes
        }
        if not labels or len(labels) < len(request.volumes):
            raise InvalidRequest("a group has one member or more, each volume once; name each volume once")
        aligned = not request.allow_unaligned
        return self._cutter.cut_group(request.name, labels, request.verify, aligned=aligned)

    def remove_group(self, handle: str, snapshots: Sequence[str]) -> None:
        """Remove a group and all its members; an unknown one is removed already.

        `snapshots` are all its members or empty; others raise InvalidRequest.
        """
        try:
            members = self.group(handle)
        except NotFound:
            return
        known = {self._handles.of_snapshot(member.id): member.id for member in members}
        for named in snapshots:
            if named not in known:
                raise InvalidRequest(
                    f"the snapshot {named!r} is no member of the group {handle}; name its members only"
                )
        self._cutter.remove_group(self._handles.group(handle), [known[named] for named in snapshots])

    def group(self, handle: str) -> Sequence[Snapshot]:
        """Give a group's members, ordered by id; raise GroupNotFound."""
        return self._pool.group(self._handles.group(handle))

    def capacity(self, request: CapacityRequest) -> Capacity:
        """How much room there is for such a volume: none when the smallest one does not fit."""
        filesystem = fresh_filesystem(checked_filesystem(request.filesystem))
        capacity = self._pool.capacity()
        if capacity.available < smallest_size(filesystem, self._pool.traits.allocation_unit):
            return replace(capacity, available=Bytes(0))
        return capacity

    def _shown_or_gone(self, handle: str) -> VolumeId:
        """Give the identity in a handle; a snapshot taken before is given again although its volume is gone by now."""
        identity = self._handles.volume(handle)
        try:
            volume = self._pool.volume(identity)
        except VolumeNotFound:
            return identity
        if is_transient(volume.name):
            raise VolumeNotFound(f"there is no volume {handle}")
        return identity

    def _candidates(self, which: SnapshotFilter) -> Sequence[Snapshot]:
        if which.snapshot is not None:
            snapshot = self._pool.snapshot(self._handles.snapshot(which.snapshot))
            wanted = which.volume is None or snapshot.volume == self._handles.volume(which.volume)
            return [snapshot] if wanted else []
        if which.volume is not None:
            return self._pool.snapshots_of(self._handles.volume(which.volume))
        return self._pool.snapshots()
