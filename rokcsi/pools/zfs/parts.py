"""What the other files of this folder share: the tools, what is known of the pool's contents, and the devices."""

from __future__ import annotations

from dataclasses import dataclass

from rokcsi.pools.index import Index
from rokcsi.pools.zfs.attachments import Attachments
from rokcsi.pools.zfs.places import Places
from rokcsi.pools.zfs.store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """One pool's parts; with `reserve`, the whole size of each volume is set aside for it.

    `programs_clone`: this ZFS can clone in a channel program.
    """

    store: Store
    index: Index
    places: Places
    attachments: Attachments
    reserve: bool
    programs_clone: bool
