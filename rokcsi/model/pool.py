"""The pool: where bytes live on one node. The one boundary that matters.

The story of its life. A pool is opened once by the driver that serves it, which then has
it alone. `create_volume` makes an empty volume `v`; `attach(v)` gives a block device, on
which somebody makes a file system (or the pool made it already and says `formatted`),
mounts it and writes; `detach(v)` takes the device away again once nobody holds it.

While `v` is being written, `take_snapshots([s of v, t of w])` stops the writers of all of
them, cuts, and lets them go on: `s` and `t` hold what was written before that instant and
nothing after it. They are there all together, or not at all. Nothing ever changes a
snapshot. `clone_snapshot(s, c)` makes a volume `c` that begins as `s` and then goes its own
way; it may be larger than `s`, never smaller.

Two promises are hard. *Clones live on when the snapshot goes, and snapshots when the
volume goes*: every `delete_` frees one name and hurts nothing that came from it, to any
depth. *All, or none*: whatever fails or dies in the middle, a restart shows each call as
carried out or as never made. When a call has returned, its effect survives a power cut.

A pool is strict: it raises VolumeExists rather than answer twice, takes no lock, measures
nothing. `IdempotentPool`, `LockedPool` and `MeasuredPool` forgive, queue and measure for
every pool alike. What a pool cannot do, its traits say; nobody asks which technology it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from rokcsi.model.ids import GroupId, PoolId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume


@dataclass(frozen=True, slots=True)
class Traits:
    """In what pools differ, where a caller must know.

    `allocation_unit`: sizes are multiples of it, in bytes. `formats_volumes`: new volumes
    come with their file system on them. `raw_snapshots_together`: a group with several raw
    block volumes in use is still cut at one instant. `tunable`: which parts of a `Tuning` mean
    something here; the others are refused before the pool is asked. `copies_by_extent`: a
    snapshot or clone costs in step with the extents of a volume, so that counting them is worth it.
    `label_bytes`: so much of labels, keys and values in UTF-8 together, every snapshot has room for.
    """

    allocation_unit: Bytes
    formats_volumes: bool
    raw_snapshots_together: bool
    tunable: frozenset[str] = frozenset()
    copies_by_extent: bool = False
    label_bytes: int = 4096


_NOTHING = Bytes(0)


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much room there is, in bytes.

    `total` and `used` are the store's own; `promised` is what its volumes and snapshots may
    yet grow to; `available` is the largest new volume that would be admitted now. `kept` is
    the part of `used` that deleted volumes and snapshots still occupy, because something
    living needs it. `metadata_used` is the share, 0 to 1, of the room for the store's own
    bookkeeping that is used up; None where that room has no limit of its own.
    """

    total: Bytes
    used: Bytes
    promised: Bytes
    available: Bytes
    kept: Bytes = _NOTHING
    metadata_used: float | None = None


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one volume or snapshot occupies: `allocated` bytes (shared ones included) in `extents` pieces."""

    allocated: Bytes
    extents: int


class Pool(Protocol):
    """See the module's story. Every method may raise Damaged besides what it names."""

    @property
    def id(self) -> PoolId:
        """The pool's identity, kept in the pool."""

    @property
    def name(self) -> str:
        """What people call it: the specification it was opened with."""

    @property
    def traits(self) -> Traits:
        """In what this pool differs from others."""

    def capacity(self) -> Capacity:
        """How much room there is now."""

    def volume(self, id: VolumeId) -> Volume:
        """Give one volume; raise VolumeNotFound."""

    def volumes(self) -> Sequence[Volume]:
        """Give all volumes, ordered by id."""

    def snapshot(self, id: SnapshotId) -> Snapshot:
        """Give one snapshot; raise SnapshotNotFound."""

    def snapshots(self) -> Sequence[Snapshot]:
        """Give all snapshots, ordered by id."""

    def snapshots_of(self, volume: VolumeId) -> Sequence[Snapshot]:
        """Give the snapshots of one volume, ordered by id; the volume itself may be gone."""

    def group(self, id: GroupId) -> Sequence[Snapshot]:
        """Give a group's members, ordered by id; raise GroupNotFound."""

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume; raise VolumeExists, SizeOutOfRange, PoolFull, InvalidRequest for a tuning it does not know."""

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot.

        Raises SnapshotNotFound, VolumeExists, SourceTooLarge, PoolFull. `new.source` is
        recorded as given: the snapshot, or the volume that it was taken of on the way.
        `new.filesystem` is recorded as given too (None: a raw block view of the same bytes);
        `formatted` is the snapshot's.
        """

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume larger, attached or not; raise VolumeNotFound, SizeOutOfRange (smaller), PoolFull."""

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away; raise VolumeNotFound, StillInUse."""

    def attach(self, id: VolumeId) -> Path:
        """Give the volume's block device on this node, the same one when called again; raise VolumeNotFound."""

    def detach(self, id: VolumeId) -> None:
        """Take the block device away; nothing happens when there is none. Raises VolumeNotFound, StillInUse."""

    def attached(self, id: VolumeId) -> Path | None:
        """Give the volume's block device as `attach` would, None when it has none now or there is no such volume."""

    def holding(self, id: VolumeId) -> AbstractContextManager[Pool]:
        """Keep all others from changing, cutting or attaching a volume through several steps.

        Gives the pool to be asked for them: only that one does not wait for the volume again.
        """

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut all these snapshots at one instant, or none; give them in the order asked for.

        Raises VolumeNotFound, SnapshotExists, PoolFull, and NotSupported where the traits
        exclude the instant; `aligned=False` accepts that, and their consistency records it.
        """

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away with one flush; raise SnapshotNotFound when one is missing, before anything is gone."""

    def label_volume(self, id: VolumeId, labels: Labels) -> Volume:
        """Merge labels into a volume's (an empty value removes one); raise VolumeNotFound."""

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's (an empty value removes one); raise SnapshotNotFound."""

    def mark_formatted(self, id: VolumeId) -> Volume:
        """Remember that a file system is on the volume; raise VolumeNotFound."""

    def footprint(self, id: VolumeId | SnapshotId) -> Footprint:
        """What one volume or snapshot occupies; raise VolumeNotFound or SnapshotNotFound."""

    def close(self) -> None:
        """Give the pool back; volumes in use stay in use."""


@runtime_checkable
class ComparesSnapshots(Protocol):
    """A pool that can tell which ranges of two snapshots differ."""

    def changed(self, older: SnapshotId | None, newer: SnapshotId) -> Iterable[range]:
        """Give the byte ranges of `newer` that differ from `older` (None: from emptiness), ascending."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something without an owner: `kind` a word for it, `where` its path, `why` it is no longer needed.

    What is damaged is not `clearable`: people decide whether to restore or to remove it.
    """

    kind: str
    where: Path
    why: str
    clearable: bool = True


@runtime_checkable
class FindsLeftovers(Protocol):
    """A pool that can tell what a crash has left in it."""

    def leftovers(self) -> Sequence[Leftover]:
        """Give what nobody owns; changes nothing."""

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them, after making sure once more that nobody owns it; raise StillInUse otherwise."""
