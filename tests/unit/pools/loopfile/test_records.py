from __future__ import annotations

import dataclasses
import datetime as dt
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, GroupMembership, Snapshot
from rokcsi.model.volume import Volume, VolumeSource
from rokcsi.pools.loopfile.records import Batch, StoredSnapshot, read_snapshot, read_volume, snapshot_text, volume_text

_NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
names = st.text(min_size=1, max_size=64)
times = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001 - bounds
labels = st.dictionaries(names, names, max_size=3)
volume_ids = names.map(VolumeId.of_name)
snapshot_ids = names.map(SnapshotId.of_name)
sources = st.none() | snapshot_ids.map(lambda id_: VolumeSource(snapshot=id_))
sources |= volume_ids.map(lambda id_: VolumeSource(volume=id_))
filesystems = st.sampled_from([None, "xfs", "ext4"])
sizes = st.integers(0, 1 << 50).map(Bytes)
groups = st.none() | st.builds(GroupMembership.of_name, names, st.integers(1, 50))
groups |= st.builds(GroupMembership, names.map(GroupId.of_name), names, st.integers(1, 50))
windows = st.integers(0, 10**7).map(lambda microseconds: microseconds / 1e6)
volumes = st.builds(Volume, volume_ids, names, sizes, filesystems, st.booleans(), sources, times, labels)
snapshots = st.builds(
    Snapshot,
    snapshot_ids,
    names,
    volume_ids,
    sizes,
    filesystems,
    st.booleans(),
    times,
    groups,
    st.sampled_from(Consistency),
    windows,
    labels,
)
batches = st.none() | st.builds(Batch, st.just("a1b2c3d4e5f6"), st.integers(2, 50))


@given(volumes)
def test_a_volume_reads_as_it_was_written(volume: Volume) -> None:
    assert read_volume(volume.id, volume.size, volume_text(volume)) == volume


@given(st.builds(StoredSnapshot, snapshots, batches))
def test_a_snapshot_reads_as_it_was_written(stored: StoredSnapshot) -> None:
    assert read_snapshot(stored.snapshot.id, stored.snapshot.size, snapshot_text(stored)) == stored


def test_usual_records_fit_beside_the_extents_in_an_inode() -> None:
    now = dt.datetime(2026, 11, 24, 3, 42, 47, 465813, tzinfo=dt.UTC)
    name = "pvc-01234567-89ab-cdef-0123-456789abcdef"
    volume = Volume(
        VolumeId.of_name(name), name, Bytes(1 << 30), "xfs", True, VolumeSource(SnapshotId.of_name("s")), now
    )
    group = GroupMembership.of_name("groupsnapshot-01234567-89ab-cdef-0123-456789abcdef", 8)
    snapshot = Snapshot(
        SnapshotId.of_name(name), name, volume.id, volume.size, "xfs", True, now, group, freeze_window_seconds=0.002346
    )
    assert len(volume_text(volume)) <= 255
    assert len(snapshot_text(StoredSnapshot(snapshot, Batch("a1b2c3d4e5f6", 8)))) <= 255


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"{}", b'"x"', b'{"r":1}', b'{"r":1,"n":"x","t":"yesterday"}', b"\xff"]
)
def test_a_record_that_cannot_be_read_is_damage_and_names_the_file(text: bytes) -> None:
    for reading in (read_volume, read_snapshot):
        with pytest.raises(Damaged, match="restore or remove"):
            reading(VolumeId.of_name("x"), 1, text)  # type: ignore[arg-type]  # each takes its own kind of id


_GOOD_VOLUME = json.loads(
    volume_text(
        Volume(
            VolumeId.of_name("v"), "v", Bytes(1), "xfs", True, VolumeSource(SnapshotId.of_name("s")), _NOW, {"k": "v"}
        )
    )
)
_GOOD_SNAPSHOT = json.loads(
    snapshot_text(
        StoredSnapshot(
            Snapshot(
                *(SnapshotId.of_name("s"), "s", VolumeId.of_name("v"), Bytes(1), "xfs", True, _NOW),
                group=GroupMembership(GroupId.of_name("other"), "g", 2),
                freeze_window_seconds=0.001,
                labels={"k": "v"},
            ),
            Batch("b", 2),
        )
    )
)
_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**30) | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def _read_or_damaged(text: bytes) -> None:
    """Read a text as both kinds; what is not refused has the types that the model promises, and can be written again."""
    with suppress(Damaged):
        volume = read_volume(VolumeId.of_name("v"), 1, text)
        assert isinstance(volume.name, str)
        assert isinstance(volume.filesystem, str | None)
        assert all(isinstance(word, str) for word in (*volume.labels, *volume.labels.values()))
        assert read_volume(volume.id, 1, volume_text(volume)) == volume
    with suppress(Damaged):
        stored = read_snapshot(SnapshotId.of_name("s"), 1, text)
        assert stored.snapshot.freeze_window_seconds >= 0
        assert stored.batch is None or stored.batch.count >= 1
        assert stored.snapshot.group is None or stored.snapshot.group.count >= 1
        assert read_snapshot(stored.snapshot.id, 1, snapshot_text(stored)) == stored


@given(st.binary(max_size=300))
def test_whatever_bytes_are_in_the_attribute_the_answer_is_a_record_or_damage(text: bytes) -> None:
    _read_or_damaged(text)


@given(
    st.sampled_from([_GOOD_VOLUME, _GOOD_SNAPSHOT]),
    st.dictionaries(st.sampled_from("rntfmlsovgcwb"), _anything, min_size=1, max_size=3),
)
def test_whatever_stands_in_a_field_the_answer_is_a_record_or_damage(
    good: dict[str, object], bad: dict[str, object]
) -> None:
    _read_or_damaged(json.dumps({**good, **bad}).encode())


@pytest.mark.parametrize(
    "text", [b"[" * 20_000, b'{"r":' + b"[" * 20_000, b'{"a":' * 20_000], ids=["list", "in r", "object"]
)
def test_a_record_nested_without_end_is_damage(text: bytes) -> None:
    with pytest.raises(Damaged, match="restore or remove"):
        read_volume(VolumeId.of_name("v"), 1, text)


def test_a_record_of_a_newer_version_asks_for_that_version() -> None:
    with pytest.raises(Damaged, match="newer rokcsi"):
        read_volume(VolumeId.of_name("x"), 1, json.dumps({"r": 2}).encode())


def test_a_name_from_another_world_is_kept_as_it_is() -> None:
    strange = Volume(VolumeId.of_name("x"), "\ud800\0\n../ü", Bytes(1), None, False, None, dt.datetime.now(dt.UTC))
    assert read_volume(strange.id, 1, volume_text(strange)) == strange
    assert dataclasses.replace(strange, size=Bytes(2)) == read_volume(strange.id, 2, volume_text(strange))
