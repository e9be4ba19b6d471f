"""Failpoints that the story of a served driver does not pass, each visited by another test."""

from __future__ import annotations

_OF_POOLS = frozenset(
    {
        # no CSI call deletes a part of a group: tests/system/crash/test_parts_of_groups.py
        "loopfile.delete-snapshots.settled",
        # tests/system/pools/test_lvm_failpoints.py
        "lvm.open.activated",
        "lvm.open.identified",
        "lvm.mend.deleted",
        "lvm.mend.removed",
        "lvm.delete-snapshots.settled",
        "lvm.describe-snapshot.tagged",
        # passed once, by `rokcsi pool create`: tests/system/pools/test_lvm_direct_crash.py
        "lvm-direct.found.created",
        "lvm-direct.found.written",
    }
)
# Loop files are born formatted: tests/unit/volumes/test_node.py.
_OF_STAGING = frozenset({"node.stage.formatted"})


def elsewhere(kind: str) -> frozenset[str]:
    """Give the names that another test visits, when a pool of this kind is served."""
    return _OF_POOLS | _OF_STAGING if kind == "loopfile" else _OF_POOLS
