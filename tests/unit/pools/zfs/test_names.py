from __future__ import annotations

import pytest

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.zfs.names import Names, free_snapshot, short_name, volume_of

NAMES = Names("tank/ours")
V, S = VolumeId.of_name("v"), SnapshotId.of_name("s")


def test_names_are_read_as_they_are_written() -> None:
    dataset = NAMES.free_volume(V, ())
    assert dataset == f"tank/ours/v-{V}"
    assert NAMES.volume_id(dataset) == V
    snapshot = free_snapshot(dataset, S, ())
    assert snapshot == f"tank/ours/v-{V}@s-{S}"
    assert NAMES.snapshot_id(snapshot) == S
    assert (volume_of(snapshot), volume_of(dataset), short_name(dataset)) == (dataset, dataset, f"v-{V}")


def test_a_name_that_is_taken_gets_a_number_and_is_still_read() -> None:
    taken = {f"tank/ours/v-{V}", f"tank/ours/v-{V}.1"}
    dataset = NAMES.free_volume(V, taken)
    assert dataset == f"tank/ours/v-{V}.2"
    assert NAMES.volume_id(dataset) == V
    assert free_snapshot(dataset, S, {f"{dataset}@s-{S}"}) == f"{dataset}@s-{S}.1"
    assert NAMES.snapshot_id(f"{dataset}@s-{S}.1") == S


@pytest.mark.parametrize(
    "name",
    [
        "tank/ours",
        "tank/ours/other",
        f"tank/ours/v-{V}x",
        f"tank/ours/v-{V}.0",
        f"tank/ours/v-{V}.01",
        f"tank/ours/v-{V.upper()}",
        f"tank/ours/deeper/v-{V}",
        f"tank/v-{V}",
        f"tank/ours/s-{V}",
        f"tank/ours/v-{V}/child",
    ],
)
def test_all_other_names_are_strangers(name: str) -> None:
    assert NAMES.volume_id(name) is None
    assert NAMES.snapshot_id(f"{name}@s-{S}") is None


@pytest.mark.parametrize("short", ["daily", f"v-{S}", f"s-{S}.x", "", f"s-{S}@s-{S}"])
def test_strangers_snapshots_of_our_volumes_are_strangers(short: str) -> None:
    assert NAMES.snapshot_id(f"tank/ours/v-{V}@{short}") is None
