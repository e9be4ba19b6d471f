from __future__ import annotations

import json
from pathlib import Path

import pytest

from rokcsi.model.errors import ToolFailed
from rokcsi.model.sizes import Bytes
from rokcsi.system.lvm_refusals import LvmRefused, Reason
from rokcsi.system.lvm_reports import LogicalVolume, ThinPoolSettings, VolumeGroup, group_report

REPORT = (Path(__file__).parents[2] / "recordings" / "lvm-2.03.16" / "report.json").read_text(encoding="utf-8")
MIB = 1 << 20


def test_a_volume_group_is_read() -> None:
    group = group_report(REPORT).group
    assert group == VolumeGroup(
        name="vg",
        uuid="3ZPZZO-wx3B-dGSG-1IGO-XYz9-t6pC-bTjC0b",
        extent_size=Bytes(MIB),
        free=Bytes(945 * MIB),
        metadata_room=Bytes(522240),
        metadata_free=Bytes(517632),
        missing_disks=0,
    )
    assert 0.008 < group.metadata_used < 0.009


def test_a_thin_volume_is_read() -> None:
    assert group_report(REPORT).volume("v-1") == LogicalVolume(
        name="v-1",
        uuid="2XOaYQ-anDh-yajj-44Jq-J9K8-OxGb-pkDSf0",
        size=Bytes(32 * MIB),
        tags=("rokcsi.1:b", "rokcsi:na"),
        kind="thin",
        pool="pool",
        origin=None,
        thin_id=1,
        transaction=0,
        active=True,
        readonly=False,
        health="",
    )


def test_a_snapshot_has_an_origin_and_is_for_readers_only() -> None:
    snapshot = group_report(REPORT).volume("s-1")
    assert snapshot is not None
    assert (snapshot.origin, snapshot.readonly, snapshot.active, snapshot.thin_id) == ("v-1", True, False, 3)


def test_what_is_no_thin_volume_is_told_apart() -> None:
    report = group_report(REPORT)
    linear, pool = report.volume("linear"), report.volume("pool")
    assert linear is not None
    assert pool is not None
    assert (linear.kind, linear.pool, linear.thin_id, linear.transaction) == ("linear", None, None, None)
    assert (pool.kind, pool.transaction, pool.active) == ("thin-pool", 4, True)
    assert pool.tags == ("rokcsi.pool:lvm:0123456789abcdef0123456789abcdef",)
    assert report.volume("never") is None


def test_a_thin_pool_has_settings() -> None:
    assert dict(group_report(REPORT).pools) == {
        "pool": ThinPoolSettings(
            chunk_size=Bytes(65536),
            metadata_size=Bytes(2 * MIB),
            zeroes=True,
            discards="passdown",
            error_when_full=False,
            monitored=False,
        )
    }


def test_a_group_without_logical_volumes_has_no_pool() -> None:
    with pytest.raises(LvmRefused) as refused:
        group_report(json.dumps({"report": [{"lv": []}]}))
    assert refused.value.reason is Reason.NO_POOL


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"report":[]}', '{"report":[{"lv":[{"lv_name":"a"}]}]}', "WARNING"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ToolFailed, match="no report of a volume group"):
        group_report(text)
