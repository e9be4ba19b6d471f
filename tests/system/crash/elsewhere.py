"""Failpoints that the story of a served driver does not pass, each visited by a test of its pool."""

from __future__ import annotations

ELSEWHERE = frozenset(
    {
        # tests/system/pools/test_lvm_failpoints.py
        "lvm.open.activated",
        "lvm.open.identified",
        "lvm.mend.deleted",
        "lvm.mend.removed",
        "lvm.delete-snapshots.settled",
        "lvm.describe-snapshot.tagged",
    }
)
