"""What LVM means when it refuses: its sentences, as recorded, and the one word we have for each.

Called by `lvm`. LVM has one exit status for everything that fails, so its English text is
read (LC_ALL=C); tests/recordings/lvm-* hold what real versions said. A sentence that
is not in the table is UNKNOWN, never guessed at.
"""

from __future__ import annotations

import re
from enum import StrEnum

from rokcsi.model.errors import ToolFailed


class Reason(StrEnum):
    """Why LVM did not do what it was told."""

    EXISTS = "a logical volume of this name exists"
    MISSING = "there is no logical volume of this name"
    IN_USE = "the logical volume is in use"
    POOL_FULL = "the thin pool is too full for anything new"
    POOL_READ_ONLY = "the thin pool's metadata is full or damaged, and read-only"
    GROUP_FULL = "the volume group's own metadata area is full"
    NO_SPACE = "the volume group has no free extents for that"
    NO_GROUP = "there is no such volume group"
    NO_POOL = "there is no such thin pool"
    NOT_A_POOL = "the logical volume is no thin pool"
    PARTIAL = "disks of the volume group are missing"
    EXPORTED = "the volume group is exported"
    FOREIGN = "the volume group belongs to another machine"
    LOCKED = "the volume group is locked by another command"
    TOO_LARGE = "the size is beyond what LVM can have"
    SAME_SIZE = "the logical volume has this size, or a larger one, already"
    NOT_ROOT = "only root may do that"
    UNKNOWN = "for a reason that is not in our table"


class LvmRefused(ToolFailed):
    """LVM ended a command with a failure; `reason` is its sentence in our words."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(f"{text} ({reason})")
        self.reason = reason


# The first sentence found decides: what explains the others comes first.
_SENTENCES = (
    (r"/dev/mapper/control: open failed: Permission denied", Reason.NOT_ROOT),
    (r"Can't get lock for ", Reason.LOCKED),
    (r"[Vv]olume group \S+ is exported", Reason.EXPORTED),
    (r"Cannot access VG \S+ (with|due to|in) ", Reason.FOREIGN),
    (r"Cannot change VG \S+ while PVs are missing", Reason.PARTIAL),
    (r"metadata on \S+ \(\d+ bytes\) (exceeds maximum metadata size|too large for circular buffer)", Reason.GROUP_FULL),
    (r"Cannot send messages to thin pool .* with read only metadata", Reason.POOL_READ_ONLY),
    (r"Thin pool \S+ has read-only metadata", Reason.POOL_READ_ONLY),
    (r"free space in thin pool \S+ reached threshold", Reason.POOL_FULL),
    (r"[Ii]nsufficient (suitable |allocatable )?(free space|space|extents)", Reason.NO_SPACE),
    (r'Logical [Vv]olume "?\S+?"? already exists in volume group', Reason.EXISTS),
    (r"Logical volume \S+ (in use|contains a filesystem in use)", Reason.IN_USE),
    (r'Volume group "\S+" not found', Reason.NO_GROUP),
    (r"Pool \S+ not found in Volume group", Reason.NO_POOL),
    (r"Logical volume \S+ is not a thin pool", Reason.NOT_A_POOL),
    (r'Failed to find logical volume "\S+"', Reason.MISSING),
    (r"Snapshot origin LV \S+ not found in Volume group", Reason.MISSING),
    (r"Logical volume \S+ not found in volume group", Reason.MISSING),
    (r"New size \(\d+ extents\) matches existing size", Reason.SAME_SIZE),
    (r"New size given \(\d+ extents\) not larger than existing size", Reason.SAME_SIZE),
    (r"Volume too large \(", Reason.TOO_LARGE),
    (r"New size of 0 not permitted", Reason.TOO_LARGE),
)
_TABLE = tuple((re.compile(sentence), reason) for sentence, reason in _SENTENCES)


def reason_of(stderr: str) -> Reason:
    """Give the reason for what LVM printed."""
    return next((reason for sentence, reason in _TABLE if sentence.search(stderr)), Reason.UNKNOWN)
