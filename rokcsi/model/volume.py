"""What a volume is, and what is asked for when one is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes

Labels = Mapping[str, str]
_NO_LABELS: Labels = MappingProxyType({})


def no_labels() -> Labels:
    """Give the empty labels, one object for all."""
    return _NO_LABELS


@dataclass(frozen=True, slots=True)
class VolumeSource:
    """Where a volume's first contents came from: exactly one of the two is set.

    A volume made from a volume names that volume, not the snapshot taken on the way.
    """

    snapshot: SnapshotId | None = None
    volume: VolumeId | None = None


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a volume is to be kept, where a class says so: None leaves it to the pool.

    `block_size` is the unit of its allocation and sharing, in bytes; a clone has its source's.
    `compression` is a word of the pool's own.
    """

    block_size: Bytes | None = None
    compression: str | None = None

    def named(self) -> frozenset[str]:
        """Give the names of what is said."""
        said = {"block_size": self.block_size, "compression": self.compression}
        return frozenset(name for name, value in said.items() if value is not None)


UNTUNED = Tuning()


@dataclass(frozen=True, slots=True)
class NewVolume:
    """A volume that is asked for.

    `name` is the caller's, any Unicode; `size` in bytes; `filesystem` is `xfs`, `ext4` or
    None for a raw block device; `labels` travel with the volume.
    """

    name: str
    size: Bytes
    filesystem: str | None
    source: VolumeSource | None = None
    labels: Labels = field(default_factory=no_labels)
    tuning: Tuning = UNTUNED

    @property
    def id(self) -> VolumeId:
        """The identity, a function of the name."""
        return VolumeId.of_name(self.name)


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume that exists.

    `filesystem` is what it is meant to be mounted as (None: raw block); `formatted` tells
    that a file system is known to be on it, so that nobody ever makes another one over it.
    `created_at` is an aware datetime; `labels` are what was said with `label_volume`; `tuning`
    is what was asked for when it was made.
    """

    id: VolumeId
    name: str
    size: Bytes
    filesystem: str | None
    formatted: bool
    source: VolumeSource | None
    created_at: dt.datetime
    labels: Labels = field(default_factory=no_labels)
    tuning: Tuning = UNTUNED
