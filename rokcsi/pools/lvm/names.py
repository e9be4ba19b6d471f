"""What our logical volumes are called: `v-` or `s-` and the id, so that each is found by the name that a caller gave."""

from __future__ import annotations

import re

from rokcsi.model.ids import SnapshotId, VolumeId

_NAME = re.compile(r"([vs])-([0-9a-f]{32})")


def name_of(id: VolumeId | SnapshotId) -> str:
    """Give the name of a volume's or snapshot's logical volume."""
    return f"{'v' if isinstance(id, VolumeId) else 's'}-{id}"


def id_in(name: str) -> VolumeId | SnapshotId | None:
    """Read an id from a logical volume's name, None when it is none of our names."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return VolumeId(found[2]) if found[1] == "v" else SnapshotId(found[2])
