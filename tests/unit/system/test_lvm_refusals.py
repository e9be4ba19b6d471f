from __future__ import annotations

import json
from pathlib import Path

import pytest

from rokcsi.system.lvm_refusals import LvmRefused, Reason, reason_of

RECORDED = json.loads(
    (Path(__file__).parents[2] / "recordings" / "lvm-2.03.16" / "refusals.json").read_text(encoding="utf-8")
)["refusals"]
MEANT = {
    "bad-tag": Reason.UNKNOWN,
    "behind-create": Reason.BEHIND,
    "behind-extend": Reason.BEHIND,
    "behind-remove": Reason.BEHIND,
    "change-missing": Reason.MISSING,
    "create-huge": Reason.TOO_LARGE,
    "data-full-create": Reason.POOL_FULL,
    "deactivate-mounted": Reason.IN_USE,
    "deactivate-open": Reason.IN_USE,
    "device-exists": Reason.BEHIND,
    "exists": Reason.EXISTS,
    "exported": Reason.EXPORTED,
    "extend-huge": Reason.TOO_LARGE,
    "extend-missing": Reason.MISSING,
    "extend-pool-too-large": Reason.NO_SPACE,
    "extend-same": Reason.SAME_SIZE,
    "extend-smaller": Reason.SAME_SIZE,
    "foreign": Reason.FOREIGN,
    "group-metadata-full-create": Reason.GROUP_FULL,
    "group-metadata-full-snapshot": Reason.GROUP_FULL,
    "group-metadata-full-tag": Reason.GROUP_FULL,
    "locked-nowait": Reason.LOCKED,
    "name-taken-in-kernel": Reason.UNKNOWN,
    "no-group": Reason.NO_GROUP,
    "no-origin": Reason.MISSING,
    "no-pool": Reason.NO_POOL,
    "not-a-pool": Reason.NOT_A_POOL,
    "not-root": Reason.NOT_ROOT,
    "partial-create": Reason.PARTIAL,
    "partial-snapshot": Reason.PARTIAL,
    "pool-metadata-full-create": Reason.POOL_READ_ONLY,
    "pool-metadata-full-delete": Reason.POOL_READ_ONLY,
    "pool-metadata-full-snapshot": Reason.POOL_READ_ONLY,
    "pool-too-large": Reason.NO_SPACE,
    "remove-missing": Reason.MISSING,
    "remove-mounted": Reason.IN_USE,
    "remove-one-missing": Reason.MISSING,
    "remove-open": Reason.IN_USE,
    "snapshot-exists": Reason.EXISTS,
    "snapshot-of-linear": Reason.UNKNOWN,
}


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_what_lvm_said_is_understood(name: str) -> None:
    assert reason_of(RECORDED[name]["stderr"]) is MEANT[name]


def test_every_reason_was_seen() -> None:
    assert set(MEANT) == set(RECORDED)
    assert set(MEANT.values()) == set(Reason)


def test_a_refusal_tells_its_reason_and_what_lvm_said() -> None:
    assert str(LvmRefused(Reason.MISSING, "lvm lvremove ended with status 5: Failed to find")) == (
        "there is no logical volume of this name (lvm lvremove ended with status 5: Failed to find)"
    )
    assert "for a reason that is not in our table: who knows" in str(LvmRefused(Reason.UNKNOWN, "who knows"))
