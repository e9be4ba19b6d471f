"""What a snapshot is, alone or as a member of a group cut at one instant."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import Labels, no_labels


class Consistency(StrEnum):
    """What can be said of the bytes in a snapshot."""

    FROZEN = "frozen"  # the file system was frozen, or not mounted: nothing was in flight
    CRASH = "crash-consistent"  # raw block in use: as after a power cut at that instant
    SHARED = "shared-while-written"  # group members not cut at one instant; the class allowed it


@dataclass(frozen=True, slots=True)
class GroupMembership:
    """Which group a snapshot is cut with; every member carries the same `id`, `name` and `count`."""

    id: GroupId
    name: str
    count: int

    @classmethod
    def of_name(cls, name: str, count: int) -> GroupMembership:
        """Give the membership that this group's name always has."""
        return cls(GroupId.of_name(name), name, count)


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """A snapshot that is asked for."""

    name: str
    volume: VolumeId
    group: GroupMembership | None = None
    labels: Labels = field(default_factory=no_labels)

    @property
    def id(self) -> SnapshotId:
        """The identity, a function of the name."""
        return SnapshotId.of_name(self.name)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that exists and is ready to be cloned.

    `size` is its volume's at that instant, in bytes; `freeze_window_seconds` is how long
    writers were held up for it (0.0 where nobody was writing); `filesystem` and `formatted`
    are its volume's and pass on to every clone.
    """

    id: SnapshotId
    name: str
    volume: VolumeId
    size: Bytes
    filesystem: str | None
    formatted: bool
    created_at: dt.datetime
    group: GroupMembership | None = None
    consistency: Consistency = Consistency.FROZEN
    freeze_window_seconds: float = 0.0
    labels: Labels = field(default_factory=no_labels)
