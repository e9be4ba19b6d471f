"""The pool that forgets: records in memory, contents in sparse files of a folder given to it.

It keeps every promise of `rokcsi.model.pool` but the one about power cuts, and is there for
unit tests only: no specification opens it. `attach` gives a plain sparse file instead of a
block device, so that anybody may write to it and hash it.

Tests make it fail on purpose: `fail_cut_at` breaks the next cut at one of its members,
`held` plays a mount that keeps a volume in use, `reopened` is what a restart finds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from rokcsi.model.errors import (
    GroupNotFound,
    NotSupported,
    SizeOutOfRange,
    SnapshotExists,
    SnapshotNotFound,
    SourceTooLarge,
    StillInUse,
    SystemCallFailed,
    VolumeExists,
    VolumeNotFound,
)
from rokcsi.model.ids import GroupId, PoolId, SnapshotId, VolumeId
from rokcsi.model.pool import Capacity, Footprint, Pool, Traits
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume
from rokcsi.pools.sparse import allocated_bytes, copy_sparse

_UNIT = Bytes(4096)
_TOTAL = Bytes(1 << 40)


@dataclass(slots=True)
class _Records:
    """What a restart still knows."""

    volumes: dict[VolumeId, Volume] = field(default_factory=dict)
    snapshots: dict[SnapshotId, Snapshot] = field(default_factory=dict)
    attached: set[VolumeId] = field(default_factory=set)
    held: list[VolumeId] = field(default_factory=list)


class MemoryPool:
    """A strict pool over `folder`, which must exist; it says to have `total` bytes of room."""

    def __init__(
        self, folder: Path, *, total: Bytes = _TOTAL, id: PoolId | None = None, raw_snapshots_together: bool = True
    ) -> None:
        self._folder = folder
        self._total = total
        self._id = id or PoolId.fresh()
        self._traits = Traits(
            allocation_unit=_UNIT,
            formats_volumes=False,
            raw_snapshots_together=raw_snapshots_together,
            tunable=frozenset({"block_size"}),
            copies_by_extent=True,
        )
        self._records = _Records()
        self._failing_member: int | None = None

    @property
    def id(self) -> PoolId:
        """The pool's identity."""
        return self._id

    @property
    def name(self) -> str:
        """What people call it."""
        return f"memory:{self._folder}"

    @property
    def traits(self) -> Traits:
        """In what this pool differs from others."""
        return self._traits

    def capacity(self) -> Capacity:
        """Count what the files occupy; everything that is free is available."""
        used = Bytes(sum(allocated_bytes(path) for path in self._folder.iterdir()))
        promised = Bytes(sum(volume.size for volume in self.volumes()) + sum(it.size for it in self.snapshots()))
        return Capacity(self._total, used, promised, Bytes(max(0, self._total - used)))

    def volume(self, id: VolumeId) -> Volume:
        """Give one volume; raise VolumeNotFound."""
        try:
            return self._records.volumes[id]
        except KeyError:
            raise VolumeNotFound(f"there is no volume {id} in the pool {self.name}") from None

    def volumes(self) -> Sequence[Volume]:
        """Give all volumes, ordered by id."""
        return sorted(self._records.volumes.values(), key=lambda volume: volume.id)

    def snapshot(self, id: SnapshotId) -> Snapshot:
        """Give one snapshot; raise SnapshotNotFound."""
        try:
            return self._records.snapshots[id]
        except KeyError:
            raise SnapshotNotFound(f"there is no snapshot {id} in the pool {self.name}") from None

    def snapshots(self) -> Sequence[Snapshot]:
        """Give all snapshots, ordered by id."""
        return sorted(self._records.snapshots.values(), key=lambda snapshot: snapshot.id)

    def snapshots_of(self, volume: VolumeId) -> Sequence[Snapshot]:
        """Give the snapshots of one volume, ordered by id."""
        return [snapshot for snapshot in self.snapshots() if snapshot.volume == volume]

    def group(self, id: GroupId) -> Sequence[Snapshot]:
        """Give a group's members, ordered by id; raise GroupNotFound."""
        members = [snapshot for snapshot in self.snapshots() if snapshot.group is not None and snapshot.group.id == id]
        if not members:
            raise GroupNotFound(f"there is no group {id} in the pool {self.name}")
        return members

    def create_volume(self, new: NewVolume) -> Volume:
        """Make a sparse file; raise VolumeExists, SizeOutOfRange."""
        self._refuse_bad_volume(new)
        with self._path(new.id).open("xb") as file:
            file.truncate(new.size)
        return self._record(new, formatted=False)

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Copy a snapshot's file; raise SnapshotNotFound, VolumeExists, SourceTooLarge, SizeOutOfRange."""
        snapshot = self.snapshot(id)
        self._refuse_bad_volume(new)
        if new.size < snapshot.size:
            raise SourceTooLarge(f"the snapshot {id} holds {snapshot.size}, more than the {new.size} asked for")
        copy_sparse(self._path(id), self._path(new.id), new.size)
        return self._record(new, formatted=snapshot.formatted)

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Lengthen the file; raise VolumeNotFound, SizeOutOfRange."""
        volume = self.volume(id)
        if size < volume.size or size % _UNIT:
            raise SizeOutOfRange(f"the volume {id} of {volume.size} cannot become {size} ({int(size)} bytes)")
        with self._path(id).open("r+b") as file:
            file.truncate(size)
        return self._change(replace(volume, size=size))

    def delete_volume(self, id: VolumeId) -> None:
        """Remove the file; raise VolumeNotFound, StillInUse."""
        self.detach(id)
        self._path(id).unlink()
        del self._records.volumes[id]

    def attach(self, id: VolumeId) -> Path:
        """Give the volume's file; raise VolumeNotFound."""
        self.volume(id)
        self._records.attached.add(id)
        return self._path(id)

    def detach(self, id: VolumeId) -> None:
        """Forget that the volume was attached; raise VolumeNotFound, StillInUse."""
        self.volume(id)
        if id in self._records.held:
            raise StillInUse(f"the volume {id} is held; let it go first")
        self._records.attached.discard(id)

    def attached(self, id: VolumeId) -> Path | None:
        """Give the volume's file while it is attached."""
        return self._path(id) if id in self._records.attached else None

    def holding(self, id: VolumeId) -> AbstractContextManager[Pool]:
        """Give this pool, which takes no locks."""
        _ = id
        return nullcontext(self)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Copy all these volumes' files, or none; raise VolumeNotFound, SnapshotExists, NotSupported."""
        volumes = [self.volume(new.volume) for new in news]
        self._refuse_taken_names(news)
        consistencies = self._consistencies(volumes, aligned=aligned)
        self._copy_members(news)
        now = dt.datetime.now(dt.UTC)
        cut = [_snapshot(*of, now) for of in zip(news, volumes, consistencies, strict=True)]
        self._records.snapshots.update({snapshot.id: snapshot for snapshot in cut})
        return cut

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Remove the files; raise SnapshotNotFound before anything is gone."""
        going = {self.snapshot(snapshot).id for snapshot in ids}
        for snapshot in going:
            self._path(snapshot).unlink()
            del self._records.snapshots[snapshot]

    def label_volume(self, id: VolumeId, labels: Labels) -> Volume:
        """Merge labels into a volume's; raise VolumeNotFound."""
        volume = self.volume(id)
        return self._change(replace(volume, labels=_merged(volume.labels, labels)))

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's; raise SnapshotNotFound."""
        snapshot = self.snapshot(id)
        labelled = replace(snapshot, labels=_merged(snapshot.labels, labels))
        self._records.snapshots[id] = labelled
        return labelled

    def mark_formatted(self, id: VolumeId) -> Volume:
        """Remember that a file system is on the volume; raise VolumeNotFound."""
        return self._change(replace(self.volume(id), formatted=True))

    def footprint(self, id: VolumeId | SnapshotId) -> Footprint:
        """What the file occupies, as if in one piece; raise VolumeNotFound or SnapshotNotFound."""
        if isinstance(id, SnapshotId):
            self.snapshot(id)
        else:
            self.volume(id)
        allocated = allocated_bytes(self._path(id))
        return Footprint(allocated, extents=1 if allocated else 0)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def fail_cut_at(self, member: int) -> None:
        """Let the next cut fail with SystemCallFailed when it comes to this member, counted from 0."""
        self._failing_member = member

    @contextmanager
    def held(self, id: VolumeId) -> Iterator[None]:
        """Keep a volume in use, as a mount would."""
        self._records.held.append(id)
        try:
            yield
        finally:
            self._records.held.remove(id)

    def reopened(self) -> MemoryPool:
        """Give the pool that a restarted driver would find; this one is not to be used any more."""
        again = MemoryPool(
            self._folder,
            total=self._total,
            id=self._id,
            raw_snapshots_together=self._traits.raw_snapshots_together,
        )
        again._records = self._records
        return again

    def _path(self, id: VolumeId | SnapshotId) -> Path:
        return self._folder / f"{'s' if isinstance(id, SnapshotId) else 'v'}-{id}"

    def _refuse_bad_volume(self, new: NewVolume) -> None:
        if new.id in self._records.volumes:
            raise VolumeExists(f"a volume named {new.name!r} exists already")
        if new.size == 0 or new.size % _UNIT:
            raise SizeOutOfRange(f"{int(new.size)} bytes is not a positive multiple of {int(_UNIT)}")

    def _record(self, new: NewVolume, *, formatted: bool) -> Volume:
        now = dt.datetime.now(dt.UTC)
        volume = Volume(
            new.id, new.name, new.size, new.filesystem, formatted, new.source, now, dict(new.labels), new.tuning
        )
        return self._change(volume)

    def _change(self, volume: Volume) -> Volume:
        self._records.volumes[volume.id] = volume
        return volume

    def _refuse_taken_names(self, news: Sequence[NewSnapshot]) -> None:
        seen: set[SnapshotId] = set()
        for new in news:
            if new.id in self._records.snapshots or new.id in seen:
                raise SnapshotExists(f"a snapshot named {new.name!r} exists already")
            seen.add(new.id)

    def _consistencies(self, volumes: Sequence[Volume], *, aligned: bool) -> Sequence[Consistency]:
        raw = [volume for volume in volumes if volume.filesystem is None and volume.id in self._records.attached]
        apart = len(raw) > 1 and not self._traits.raw_snapshots_together
        if apart and aligned:
            raise NotSupported(f"{len(raw)} raw block volumes in use cannot be cut at one instant here")
        in_use = Consistency.SHARED if apart else Consistency.CRASH
        return [in_use if volume in raw else Consistency.FROZEN for volume in volumes]

    def _copy_members(self, news: Sequence[NewSnapshot]) -> None:
        failing, self._failing_member = self._failing_member, None
        made: list[Path] = []
        try:
            for member, new in enumerate(news):
                _fail_on_purpose(member, failing)
                made.append(self._path(new.id))
                copy_sparse(self._path(new.volume), self._path(new.id), self.volume(new.volume).size)
        except BaseException:
            for path in made:
                path.unlink(missing_ok=True)
            raise


def _fail_on_purpose(member: int, failing: int | None) -> None:
    if member == failing:
        raise SystemCallFailed(f"the cut was made to fail at member {member}")


def _snapshot(new: NewSnapshot, volume: Volume, consistency: Consistency, now: dt.datetime) -> Snapshot:
    return Snapshot(
        id=new.id,
        name=new.name,
        volume=volume.id,
        size=volume.size,
        filesystem=volume.filesystem,
        formatted=volume.formatted,
        created_at=now,
        group=new.group,
        consistency=consistency,
        labels=dict(new.labels),
    )


def _merged(old: Labels, new: Labels) -> Labels:
    return {key: value for key, value in {**old, **new}.items() if value}
