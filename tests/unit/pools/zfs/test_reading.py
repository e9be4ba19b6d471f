from __future__ import annotations

import datetime as dt

import pytest

from rokcsi.model.errors import Damaged, SnapshotNotFound, VolumeDamaged, VolumeNotFound
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.index import Index
from rokcsi.pools.zfs.names import Names
from rokcsi.pools.zfs.places import Places
from rokcsi.pools.zfs.reading import Findings, Reader, is_unfinished
from rokcsi.pools.zfs.records import DELETED, SNAPSHOT, VOLUME, snapshot_text, volume_text
from rokcsi.system.zfs import ZfsRow
from tests.fakes.zfs_rows import row

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
V, S = VolumeId.of_name("v"), SnapshotId.of_name("s")
HOME = f"tank/ours/v-{V}"
CUT = f"{HOME}@s-{S}"
RECORD = {VOLUME: volume_text(Volume(V, "v", Bytes(1 << 20), None, False, None, NOW))}
CUT_RECORD = {SNAPSHOT: snapshot_text(Snapshot(S, "s", V, Bytes(1 << 20), None, False, NOW))}


class Read:
    """What a reading of these rows has made."""

    def __init__(self, *rows: ZfsRow) -> None:
        self.index, self.places = Index(), Places(Names("tank/ours"))
        self.reader = Reader(self.index, self.places)
        self.findings: Findings = self.reader.take(rows, last_opened=5)


def test_volumes_and_snapshots_are_known_with_their_places() -> None:
    read = Read(row(HOME, own=RECORD), row(CUT, own={**RECORD, **CUT_RECORD}))
    assert (read.index.volume(V).name, read.index.snapshot(S).volume) == ("v", V)
    assert (read.places.volume(V), read.places.snapshot(S)) == (HOME, CUT)
    assert read.findings == Findings(unreserved=[HOME])


def test_the_dead_are_no_volumes_and_no_snapshots() -> None:
    mark = {DELETED: f"v-{V}"}
    grave = row(HOME, used=7, reserved=5, own={**RECORD, **mark})
    read = Read(grave, row(CUT, used=3, deferred=True, own={**RECORD, **mark, **CUT_RECORD}))
    with pytest.raises(VolumeNotFound):
        read.index.volume(V)
    with pytest.raises(SnapshotNotFound):
        read.index.snapshot(S)
    assert (list(read.places.dead()), read.places.kept) == ([HOME, CUT], 7)
    assert read.findings.reserving == [HOME]


def test_a_snapshot_of_a_deleted_volume_lives() -> None:
    mark = {DELETED: f"v-{V}"}
    read = Read(row(HOME, used=7, own={**RECORD, **mark}), row(CUT, own={**RECORD, **mark, **CUT_RECORD}))
    assert read.index.snapshot(S).id == S
    assert list(read.places.dead()) == [HOME]


def test_strangers_are_passed_over() -> None:
    read = Read(row("tank/ours/theirs", own=RECORD), row("tank/ours/theirs@x"), row(f"{HOME}@daily", own=RECORD))
    assert (read.index.volumes(), read.index.snapshots(), list(read.places.dead())) == ([], [], [])
    assert read.findings == Findings()


def test_what_lost_its_record_is_set_aside_and_its_name_stays_taken() -> None:
    read = Read(row(HOME, written=1 << 20), row(CUT))
    with pytest.raises(VolumeDamaged, match=HOME):
        read.index.volume(V)
    with pytest.raises(Damaged, match=CUT):
        read.index.snapshot(S)
    assert read.places.new_volume(V) == f"{HOME}.1"
    assert read.findings.unfinished == []


def test_a_mark_that_is_inherited_from_above_buries_nobody() -> None:
    read = Read(row(HOME, own={**RECORD, DELETED: "everything"}))
    assert read.index.volume(V).id == V


def test_of_two_of_one_id_the_second_is_set_aside() -> None:
    read = Read(row(HOME, own=RECORD), row(f"{HOME}.1", own=RECORD))
    assert read.places.volume(V) == HOME
    assert "twice" in read.index.damaged_volumes[V]


def test_what_is_being_received_is_not_touched() -> None:
    read = Read(row(HOME, receiving=True), row(f"{HOME}.1", receiving=True, own=RECORD))
    assert read.findings.unfinished == []
    assert "being received" in read.index.damaged_volumes[V]


OPENED = 9
UNFINISHED = [
    row(HOME, made_in=10, written=280 << 10),
    row(HOME, made_in=10, origin=CUT),
    row(HOME, made_in=10, origin=CUT, size=2 << 20, written=12288),
]
FINISHED = [
    row(HOME, made_in=10, own=RECORD),
    row(HOME, made_in=10, own={VOLUME: ""}),
    row(HOME, made_in=10, receiving=True),
    row(HOME, made_in=9),
    row(HOME, made_in=10, written=1 << 20),
]


@pytest.mark.parametrize("there", UNFINISHED)
def test_a_new_volume_without_a_record_that_nobody_wrote_to_was_never_finished(there: ZfsRow) -> None:
    assert is_unfinished(there, OPENED)
    read = Read(there, row("tank/other@x"))
    assert (list(read.index.volumes()), read.findings.unfinished) == ([], [HOME])


@pytest.mark.parametrize("there", FINISHED)
def test_one_that_is_older_or_may_hold_something_is_never_taken_for_unfinished(there: ZfsRow) -> None:
    assert not is_unfinished(there, OPENED)


def test_one_with_snapshots_is_never_taken_for_unfinished() -> None:
    assert Read(row(HOME), row(f"{HOME}@daily")).findings.unfinished == []


def test_what_was_in_doubt_is_what_is_found_there() -> None:
    read = Read(row(HOME, own=RECORD), row(CUT, own={**RECORD, **CUT_RECORD}))
    other = VolumeId.of_name("w")
    record = {VOLUME: volume_text(Volume(other, "w", Bytes(1 << 20), None, False, None, NOW))}
    there = row(f"tank/ours/v-{other}", size=4 << 20, own=record)
    read.reader.take_again([HOME, CUT, there.name], [row(HOME, size=3 << 20, own=RECORD), there])
    assert read.index.volume(V).size == 3 << 20
    assert read.index.volume(other).size == 4 << 20
    with pytest.raises(SnapshotNotFound):
        read.index.snapshot(S)
    assert read.places.new_snapshot(V, S) == CUT


def test_a_deletion_that_was_in_doubt_may_have_come_about() -> None:
    read = Read(row(HOME, own=RECORD))
    read.reader.take_again([HOME], [row(HOME, used=9, own={**RECORD, DELETED: f"v-{V}"})])
    assert (list(read.places.dead()), read.places.kept) == ([HOME], 9)
    read.reader.take_again([HOME], [])
    assert list(read.places.dead()) == []
