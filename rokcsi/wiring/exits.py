"""How a process of ours ends: one table from the family of an error to an exit status.

0 done · 1 failed · 2 wrong usage or input · 3 not found · 4 exists already or differs
5 in use or busy · 6 no room, or out of range · 7 the driver or the pool is away
8 not possible here, or not allowed · 130 interrupted
"""

from __future__ import annotations

from rokcsi.model import errors

FAILED = 1
INTERRUPTED = 130
EXIT_STATUSES: dict[type[errors.RokcsiError], int] = {
    errors.InvalidRequest: 2,
    errors.BadPageToken: 2,
    errors.NotFound: 3,
    errors.Conflict: 4,
    errors.StillInUse: 5,
    errors.Busy: 5,
    errors.OutOfSpace: 6,
    errors.OutOfRange: 6,
    errors.Unavailable: 7,
    errors.NotSupported: 8,
    errors.NotAllowed: 8,
    errors.Damaged: FAILED,
}


def exit_status(error: BaseException) -> int:
    """Give the exit status of an error, by its family; 1 for one that has none."""
    return next((status for kind, status in EXIT_STATUSES.items() if isinstance(error, kind)), FAILED)
