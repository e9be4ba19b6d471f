"""The kinds of pools that the lab knows, and the guest that each of them wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of pool: the disks its guest has, the CPU it is pinned to."""

    disks: Sequence[str]
    cpu: int


_FOR_THE_POOL = "16G"
_TO_GROW = "16G"
KINDS: Mapping[str, Kind] = {
    "loopfile": Kind((_FOR_THE_POOL, _TO_GROW), cpu=0),
    "lvm": Kind((_FOR_THE_POOL, _TO_GROW), cpu=0),
    "lvm-direct": Kind((_FOR_THE_POOL, _TO_GROW), cpu=0),
    "zfs": Kind((_FOR_THE_POOL, _TO_GROW), cpu=1),
}
