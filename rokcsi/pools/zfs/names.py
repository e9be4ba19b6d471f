"""How our volumes and snapshots are called in ZFS, and how such a name is read again.

    POOL/PATH/v-<32 hex>              a volume; the digits are its id
    POOL/PATH/v-<32 hex>@s-<32 hex>   a snapshot of it

A deleted one may have to stay for the sake of others, and keeps its name. Whatever is made
by the same name then gets a number behind its own: `v-<32 hex>.1`, `s-<32 hex>.2`. All other
names are strangers'.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from itertools import count

from rokcsi.model.ids import SnapshotId, VolumeId

_VOLUME = re.compile(r"v-([0-9a-f]{32})(?:\.[1-9][0-9]*)?")
_SNAPSHOT = re.compile(r"s-([0-9a-f]{32})(?:\.[1-9][0-9]*)?")


@dataclass(frozen=True, slots=True)
class Names:
    """The names below one dataset, the pool's own."""

    path: str

    def free_volume(self, id: VolumeId, taken: Container[str]) -> str:
        """Give the first name for a volume that nothing has."""
        return _first_free(f"{self.path}/v-{id}", taken)

    def volume_id(self, dataset: str) -> VolumeId | None:
        """Read a volume's name; None for one that is not ours."""
        above, _, short = dataset.rpartition("/")
        match = _VOLUME.fullmatch(short)
        return VolumeId(match[1]) if match is not None and above == self.path else None

    def snapshot_id(self, name: str) -> SnapshotId | None:
        """Read a snapshot's name; None for one that is not ours, or of a volume that is not."""
        dataset, _, short = name.partition("@")
        match = _SNAPSHOT.fullmatch(short)
        return SnapshotId(match[1]) if match is not None and self.volume_id(dataset) is not None else None


def free_snapshot(dataset: str, id: SnapshotId, taken: Container[str]) -> str:
    """Give the first name for a snapshot of this volume that nothing has."""
    return _first_free(f"{dataset}@s-{id}", taken)


def volume_of(name: str) -> str:
    """Give the volume of a snapshot's name, or a volume's name as it is."""
    return name.partition("@")[0]


def short_name(dataset: str) -> str:
    """Give the last part of a volume's name."""
    return dataset.rpartition("/")[2]


def _first_free(name: str, taken: Container[str]) -> str:
    if name not in taken:
        return name
    return next(numbered for number in count(1) if (numbered := f"{name}.{number}") not in taken)
