"""What LVM's refusals mean to a pool's callers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rokcsi.model.errors import (
    Busy,
    InvalidRequest,
    NotSupported,
    PoolFull,
    RokcsiError,
    SizeOutOfRange,
    StillInUse,
    Unavailable,
)
from rokcsi.system.lvm_refusals import LvmRefused, Reason

_KINDS: Mapping[Reason, tuple[type[RokcsiError], str]] = {
    Reason.IN_USE: (StillInUse, "unmount it, or close what has its device open, and try again"),
    Reason.POOL_FULL: (PoolFull, "delete snapshots or volumes, or enlarge the thin pool: lvextend"),
    Reason.POOL_READ_ONLY: (PoolFull, "enlarge the thin pool's metadata: lvextend --poolmetadatasize"),
    Reason.GROUP_FULL: (PoolFull, "delete snapshots or volumes; how to get more room is in the how-to of LVM pools"),
    Reason.NO_SPACE: (PoolFull, "give the volume group more disks: vgextend"),
    Reason.TOO_LARGE: (SizeOutOfRange, "ask for less"),
    Reason.NO_GROUP: (Unavailable, "attach its disks, or correct the pool's name"),
    Reason.NO_POOL: (Unavailable, "restore it, or correct the pool's name"),
    Reason.EXPORTED: (Unavailable, "import it: vgimport"),
    Reason.FOREIGN: (Unavailable, "serve it on its own machine, or take it over: vgchange --systemid"),
    Reason.PARTIAL: (Unavailable, "attach the missing disks; until then nothing new can be made"),
    Reason.LOCKED: (Busy, "try again"),
    Reason.NOT_A_POOL: (InvalidRequest, "name a thin pool"),
    Reason.NOT_ROOT: (NotSupported, "run the driver as root"),
}


@contextmanager
def refusals(deed: str) -> Iterator[None]:
    """Raise what LVM refuses as one of our errors, each with what to do; `deed` says what was tried.

    What is UNKNOWN, or would have to be explained by the caller, stays LvmRefused (a ToolFailed).
    """
    try:
        yield
    except LvmRefused as refused:
        if refused.reason not in _KINDS:
            raise
        error, remedy = _KINDS[refused.reason]
        raise error(f"could not {deed}: {refused.reason}; {remedy} ({refused.told})") from refused
