"""Why ZFS said no: the texts of its commands and the error numbers of its channel programs, in one set of words.

The texts are those that real commands printed, kept in tests/recordings with their version.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from rokcsi.model.errors import ToolFailed


class ZfsRefusal(StrEnum):
    """What kind of a no it was."""

    EXISTS = "exists already"
    MISSING = "does not exist"
    BUSY = "is in use"
    FULL = "no room"
    AGAIN = "not in this transaction group"
    AWAY = "the pool is away"
    READONLY = "the pool is read-only"
    UNFIT = "a value that does not fit"
    OTHER = "something else"


class ZfsRefused(ToolFailed):
    """ZFS said no; the text carries its own words."""

    def __init__(self, text: str, refusal: ZfsRefusal) -> None:
        super().__init__(text)
        self.refusal = refusal


# The first that is found counts: a text about a pool may have the words of a text about a dataset in it.
_TEXTS: tuple[tuple[str, ZfsRefusal], ...] = (
    ("pool I/O is currently suspended", ZfsRefusal.AWAY),
    ("no such pool", ZfsRefusal.AWAY),
    ("Pool does not exist", ZfsRefusal.AWAY),
    ("ZFS modules are not loaded", ZfsRefusal.AWAY),
    ("ZFS modules cannot be auto-loaded", ZfsRefusal.AWAY),
    ("I/O error", ZfsRefusal.AWAY),
    ("pool is read-only", ZfsRefusal.READONLY),
    ("Read-only file system", ZfsRefusal.READONLY),
    ("read only", ZfsRefusal.READONLY),
    ("dataset already exists", ZfsRefusal.EXISTS),
    ("dataset does not exist", ZfsRefusal.MISSING),
    ("parent does not exist", ZfsRefusal.MISSING),
    ("is busy", ZfsRefusal.BUSY),
    ("out of space", ZfsRefusal.FULL),
    ("Out of space", ZfsRefusal.FULL),
    ("No space left on device", ZfsRefusal.FULL),
    ("Disk quota exceeded", ZfsRefusal.FULL),
    ("size is greater than available space", ZfsRefusal.FULL),
    ("volume size", ZfsRefusal.UNFIT),
    ("'volsize'", ZfsRefusal.UNFIT),
    ("'volblocksize'", ZfsRefusal.UNFIT),
    ("'compression'", ZfsRefusal.UNFIT),
)
_NUMBERS: Mapping[int, ZfsRefusal] = MappingProxyType(
    {
        errno.EEXIST: ZfsRefusal.EXISTS,
        errno.ENOENT: ZfsRefusal.MISSING,
        errno.EBUSY: ZfsRefusal.BUSY,
        errno.ENOSPC: ZfsRefusal.FULL,
        errno.EDQUOT: ZfsRefusal.FULL,
        errno.EAGAIN: ZfsRefusal.AGAIN,
        errno.EIO: ZfsRefusal.AWAY,
        errno.EROFS: ZfsRefusal.READONLY,
        errno.E2BIG: ZfsRefusal.UNFIT,
        errno.EINVAL: ZfsRefusal.UNFIT,
    }
)


def refusal_of_text(text: str) -> ZfsRefusal:
    """Give the kind of a no that a command printed."""
    return next((refusal for words, refusal in _TEXTS if words in text), ZfsRefusal.OTHER)


def refusal_of_number(number: int) -> ZfsRefusal:
    """Give the kind of a no that a channel program answered."""
    return _NUMBERS.get(number, ZfsRefusal.OTHER)


def refused(name: str, number: int) -> ZfsRefused:
    """Give the error for what a channel program answered of one dataset."""
    what = errno.errorcode.get(number, str(number))
    return ZfsRefused(f"ZFS refuses a change of {name}: {what}", refusal_of_number(number))
