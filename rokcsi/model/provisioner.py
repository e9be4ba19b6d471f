"""What the CSI controller services ask for: volumes, snapshots and groups, by their handles.

Spoken by `csi/`, carried out by `volumes/` over any pool. Everything may be asked twice:
the second answer is the first one. Handles are the callers' text; one that is malformed or
of another pool is an unknown one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from rokcsi.model.ids import Handles
from rokcsi.model.pool import Capacity
from rokcsi.model.sizes import SizeRange
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import UNTUNED, Labels, Tuning, Volume, no_labels


class Verification(StrEnum):
    """Whether the file system is checked on the way, and what a damaged one does."""

    NONE = "none"
    CHECK = "check"  # `e2fsck -n` or `xfs_repair -n`; a damaged one fails the call


@dataclass(frozen=True, slots=True)
class VolumeRequest:
    """A volume wished for. At most one of the two sources is set; both are handles.

    `filesystem` None means raw block, and the empty text a mounted volume of any kind: the
    source's, `xfs` where there is no source. `verify_clone` checks the clone's file system
    before it is handed out.
    `mutable` is what `Provisioner.modify` takes, applied from the start: a wrong key or value
    raises InvalidRequest before anything is made. A repeated call compares it with what was
    given then, not with what `modify` has changed since; it does not compare `verify_clone`, which
    makes no other volume, nor `labels`.
    """

    name: str
    size: SizeRange
    filesystem: str | None
    from_snapshot: str | None = None
    from_volume: str | None = None
    verify_clone: Verification = Verification.NONE
    labels: Labels = field(default_factory=no_labels)
    mutable: Mapping[str, str] = field(default_factory=no_labels)
    tuning: Tuning = UNTUNED


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """A snapshot wished for, of the volume with this handle."""

    name: str
    volume: str
    verify: Verification = Verification.NONE
    labels: Labels = field(default_factory=no_labels)


@dataclass(frozen=True, slots=True)
class SaidOfGroup:
    """Labels of a group's members: of each volume's own, by its handle, and of all alike. The first are the dearest."""

    of_volumes: Mapping[str, Labels] = field(default_factory=dict)
    of_all: Labels = field(default_factory=no_labels)

    def of(self, volume: str) -> Labels:
        """Give what is said of one volume's snapshot, in the order in which it is to be kept."""
        return {**self.of_volumes.get(volume, {}), **self.of_all}


NOTHING_SAID = SaidOfGroup()


@dataclass(frozen=True, slots=True)
class GroupRequest:
    """Snapshots of several volumes at one instant.

    `allow_unaligned` accepts members that this pool cannot cut at one instant (several raw
    block volumes being written); it is recorded as their consistency. `said` is kept with the
    snapshots as far as the pool has room for labels.
    """

    name: str
    volumes: tuple[str, ...]
    allow_unaligned: bool = False
    verify: Verification = Verification.NONE
    labels: Labels = field(default_factory=no_labels)
    said: SaidOfGroup = NOTHING_SAID


@dataclass(frozen=True, slots=True)
class SnapshotFilter:
    """Which snapshots to list: by handle of the snapshot, or of its source volume, or all."""

    snapshot: str | None = None
    volume: str | None = None


@dataclass(frozen=True, slots=True)
class CapacityRequest:
    """For which kind of volume room is asked: `filesystem` None means raw block, empty any file system."""

    filesystem: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


class Provisioner(Protocol):
    """Creates, copies and removes volumes. Raises the errors of `rokcsi.model.pool` and what it names."""

    @property
    def handles(self) -> Handles:
        """Writes the handles of the things it returns."""

    def provision(self, request: VolumeRequest) -> Volume:
        """Make a volume, or find the one made before; raise VolumeDiffers, SizeOutOfRange, SourceTooLarge, …NotFound, PoolFull."""

    def remove_volume(self, handle: str) -> None:
        """Remove a volume; an unknown one is removed already. Raises StillInUse."""

    def volume(self, handle: str) -> Volume:
        """Give one volume; raise VolumeNotFound."""

    def volumes(self) -> Sequence[Volume]:
        """Give all volumes in a lasting order."""

    def expand(self, handle: str, size: SizeRange) -> Volume:
        """Make a volume at least this large; one that is large enough stays. Raises VolumeNotFound, SizeOutOfRange, PoolFull."""

    def modify(self, handle: str, mutable: Mapping[str, str]) -> Volume:
        """Change what can be changed of a volume's behaviour; raise VolumeNotFound, InvalidRequest for an unknown key."""

    def cut(self, request: SnapshotRequest) -> Snapshot:
        """Take a snapshot, or find the one taken before; raise VolumeNotFound, SnapshotDiffers, PoolFull."""

    def remove_snapshot(self, handle: str) -> None:
        """Remove a snapshot; an unknown one is removed already. A member of a group raises InvalidRequest."""

    def snapshot(self, handle: str) -> Snapshot:
        """Give one snapshot; raise SnapshotNotFound."""

    def snapshots(self, which: SnapshotFilter) -> Sequence[Snapshot]:
        """Give the snapshots that match, in a lasting order; none for an unknown handle."""

    def cut_group(self, request: GroupRequest) -> Sequence[Snapshot]:
        """Take snapshots of all these volumes at one instant, or find those taken before; raise GroupDiffers, VolumeNotFound, PoolFull."""

    def remove_group(self, handle: str, snapshots: Sequence[str]) -> None:
        """Remove a group and all its members; an unknown one is removed already. Raises InvalidRequest when `snapshots` names others."""

    def group(self, handle: str) -> Sequence[Snapshot]:
        """Give a group's members; raise GroupNotFound."""

    def capacity(self, request: CapacityRequest) -> Capacity:
        """How much room there is for such a volume."""
