from __future__ import annotations

import base64
import datetime as dt
import random
import zlib
from dataclasses import replace

import pytest

from rokcsi.model.errors import Damaged, InvalidRequest
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, GroupMembership, Snapshot
from rokcsi.model.volume import Volume, VolumeSource
from rokcsi.pools.zfs.records import (
    DELETED,
    SNAPSHOT,
    VOLUME,
    is_deleted,
    read_snapshot,
    read_volume,
    snapshot_text,
    volume_text,
)
from tests.fakes.zfs_rows import row

NOW = dt.datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=dt.UTC)
HOSTILE = "a\tb\nc\0d=e\ud800,\N{ELEPHANT}\\"
A_VOLUME = Volume(
    id=VolumeId.of_name(HOSTILE),
    name=HOSTILE,
    size=Bytes(1 << 20),
    filesystem="xfs",
    formatted=True,
    source=VolumeSource(snapshot=SnapshotId.of_name("s")),
    created_at=NOW,
    labels={"who": HOSTILE},
)
A_SNAPSHOT = Snapshot(
    id=SnapshotId.of_name(HOSTILE),
    name=HOSTILE,
    volume=A_VOLUME.id,
    size=Bytes(1 << 20),
    filesystem=None,
    formatted=False,
    created_at=NOW,
    group=GroupMembership.of_name("g", 3),
    consistency=Consistency.CRASH,
    freeze_window_seconds=0.001234,
)
HOME = f"tank/ours/v-{A_VOLUME.id}"


def volume_row(text: str) -> object:
    return row(HOME, size=1 << 20, own={VOLUME: text})


def test_a_record_is_read_as_it_was_written_and_fits_on_a_line_of_ascii() -> None:
    text = volume_text(A_VOLUME)
    assert text.isascii()
    assert text.isprintable()
    assert read_volume(A_VOLUME.id, row(HOME, size=1 << 20, own={VOLUME: text})) == A_VOLUME
    text = snapshot_text(A_SNAPSHOT)
    assert text.isprintable()
    there = row(f"{HOME}@s-{A_SNAPSHOT.id}", size=1 << 20, own={SNAPSHOT: text, VOLUME: volume_text(A_VOLUME)})
    assert read_snapshot(A_SNAPSHOT.id, A_VOLUME.id, there) == A_SNAPSHOT


def test_the_size_is_zfs_s_own() -> None:
    assert read_volume(A_VOLUME.id, row(HOME, size=5 << 20, own={VOLUME: volume_text(A_VOLUME)})).size == 5 << 20


def test_long_labels_are_packed_and_longer_ones_refused() -> None:
    long = replace(A_VOLUME, labels={f"label-{number}": "v" * 200 for number in range(100)})
    text = volume_text(long)
    assert len(text) < 8192
    assert read_volume(long.id, row(HOME, size=1 << 20, own={VOLUME: text})) == long
    noise = random.Random(7).randbytes(10_000).hex()
    with pytest.raises(InvalidRequest, match="fewer labels"):
        volume_text(replace(A_VOLUME, labels={"noise": noise}))


BOMB = "zlib:" + base64.b64encode(zlib.compress(b" " * (1 << 27))).decode()


@pytest.mark.parametrize(
    "text",
    ["", "-", "{", "[]", "7", '{"r":1}', '{"r":99,"n":"x","t":1}', '{"r":1,"n":7,"t":1}', "zlib:!", "zlib:AAAA", BOMB],
)
def test_a_record_that_makes_no_sense_is_damage(text: str) -> None:
    with pytest.raises(Damaged, match=f"{VOLUME} of {HOME} cannot be read"):
        read_volume(A_VOLUME.id, row(HOME, own={VOLUME: text}))
    with pytest.raises(Damaged, match=f"{SNAPSHOT} of .* cannot be read"):
        read_snapshot(A_SNAPSHOT.id, A_VOLUME.id, row(f"{HOME}@s-{A_SNAPSHOT.id}", own={SNAPSHOT: text}))


def test_a_record_that_is_missing_is_damage() -> None:
    with pytest.raises(Damaged, match="is missing"):
        read_volume(A_VOLUME.id, row(HOME))


def test_a_record_of_another_one_is_damage() -> None:
    other = VolumeId.of_name("other")
    with pytest.raises(Damaged, match="tells of another one"):
        read_volume(other, row(f"tank/ours/v-{other}", own={VOLUME: volume_text(A_VOLUME)}))
    with pytest.raises(Damaged, match="tells of another one"):
        read_snapshot(A_SNAPSHOT.id, other, row("tank/ours/x@y", own={SNAPSHOT: snapshot_text(A_SNAPSHOT)}))


def test_a_mark_counts_only_on_what_it_names() -> None:
    assert is_deleted(row(HOME, own={DELETED: f"v-{A_VOLUME.id}"}))
    assert not is_deleted(row(HOME, own={DELETED: "ours"})), "inherited from the dataset above"
    assert not is_deleted(row(HOME))
