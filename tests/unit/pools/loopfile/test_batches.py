from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from rokcsi.model.errors import SnapshotNotFound
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Snapshot
from rokcsi.pools.index import Index
from rokcsi.pools.loopfile.batches import Batches
from rokcsi.pools.loopfile.records import Batch, StoredSnapshot

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BATCH = Batch("b", 2)


def stored(name: str, batch: Batch | None = None) -> StoredSnapshot:
    snapshot = Snapshot(SnapshotId.of_name(name), name, VolumeId.of_name("v"), Bytes(5), None, False, NOW, None)
    return StoredSnapshot(snapshot, batch)


@pytest.fixture
def batches() -> Batches:
    batches = Batches(Index())
    for each in (stored("1", BATCH), stored("2", BATCH), stored("3")):
        batches.put(each)
    return batches


def names(batches: Batches) -> set[str]:
    return {each.snapshot.name for each in batches.members(BATCH)}


def test_snapshots_are_found_by_their_batch(batches: Batches) -> None:
    assert names(batches) == {"1", "2"}
    assert list(batches.all()) == [BATCH]
    assert batches.stored(SnapshotId.of_name("1")) == stored("1", BATCH)
    assert batches.stored(SnapshotId.of_name("3")) == stored("3")


def test_what_is_dropped_is_in_no_batch_and_nowhere_else(batches: Batches) -> None:
    for name in "12":
        batches.drop(SnapshotId.of_name(name))
        batches.drop(SnapshotId.of_name(name))
    assert list(batches.all()) == []
    with pytest.raises(SnapshotNotFound):
        batches.stored(SnapshotId.of_name("1"))


def test_a_snapshot_taken_out_of_its_batch_is_still_there(batches: Batches) -> None:
    batches.put(dataclasses.replace(stored("1", BATCH), batch=None))
    assert names(batches) == {"2"}
    assert batches.stored(SnapshotId.of_name("1")) == stored("1")
