"""What every pool promises of its volumes."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable

import pytest

from rokcsi.model.errors import NotFound, SizeOutOfRange, StillInUse, VolumeExists, VolumeNotFound
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import NewVolume, VolumeSource
from tests.contract.harness import TestedPool
from tests.fakes.pool_records import MIB, new_volume

HOSTILE = [
    "../../etc/passwd",
    "/",
    ".",
    "a/b",
    "a\nb\tc",
    "a\0b",
    "\x7f\x80\x9f",
    "-rf *",
    "$(reboot)`reboot`'\";",
    "%s%n{}{0}",
    "名前🐘" * 10,
    "e\u0301\u202eabc\ufeff",
    " ",
    "x" * 128,
    "\ud800",
]


def test_a_new_volume_is_empty_and_as_large_as_asked_for(tested: TestedPool) -> None:
    new = NewVolume("a", Bytes(3 * MIB), None, labels={"who": "me", "why": "Grund 名"})
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
    volume = tested.pool.create_volume(new)
    assert (volume.id, volume.name, volume.size) == (new.id, "a", 3 * MIB)
    assert (volume.filesystem, volume.formatted, volume.source) == (None, False, None)
    assert dict(volume.labels) == {"who": "me", "why": "Grund 名"}
    assert before < volume.created_at < before + dt.timedelta(minutes=5)
    assert tested.pool.volume(volume.id) == volume
    assert tested.read(volume.id) == bytes(3 * MIB)


def test_a_volume_for_files_is_formatted_where_the_pool_does_that(tested: TestedPool) -> None:
    for filesystem in ("xfs", "ext4"):
        volume = tested.pool.create_volume(NewVolume(filesystem, Bytes(300 * MIB), filesystem))
        assert (volume.filesystem, volume.formatted) == (filesystem, tested.pool.traits.formats_volumes)


def test_everything_about_a_volume_is_known_again_after_a_restart(tested: TestedPool) -> None:
    source = VolumeSource(volume=VolumeId.of_name("some volume"))
    volume = tested.pool.create_volume(NewVolume("a", Bytes(MIB), None, source, {"a": "1", "b": "2"}))
    tested.write(volume.id, 4096, b"written before")
    tested.pool.grow_volume(volume.id, Bytes(2 * MIB))
    tested.pool.mark_formatted(volume.id)
    labelled = tested.pool.label_volume(volume.id, {"b": "", "c": "3"})
    digest = tested.digest(volume.id)
    tested.restart()
    found = tested.pool.volume(volume.id)
    assert found == labelled
    assert (found.created_at, found.source, found.size) == (volume.created_at, source, 2 * MIB)
    assert (dict(found.labels), found.formatted) == ({"a": "1", "c": "3"}, True)
    assert tested.digest(volume.id) == digest
    assert list(tested.pool.volumes()) == [found]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_any_text(tested: TestedPool, name: str) -> None:
    volume = tested.pool.create_volume(new_volume(name))
    tested.write(volume.id, 0, b"mine")
    [snapshot] = tested.snapshot(name, volume.id)
    tested.pool.label_volume(volume.id, {name: name})
    tested.restart()
    assert tested.pool.volume(volume.id).name == name
    assert dict(tested.pool.volume(volume.id).labels) == {name: name}
    assert tested.pool.snapshot(snapshot.id).name == name
    assert tested.strays() == []
    tested.pool.delete_volume(volume.id)
    tested.pool.delete_snapshots([snapshot.id])
    assert tested.strays() == []


def test_a_label_can_be_long(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(new_volume("a"))
    labels = {f"rokcsi.dev/label-{number}": "v" * 200 for number in range(40)}
    tested.pool.label_volume(volume.id, labels)
    tested.restart()
    assert dict(tested.pool.volume(volume.id).labels) == labels


def test_volumes_are_listed_by_id(tested: TestedPool) -> None:
    for number in range(20):
        tested.pool.create_volume(new_volume(f"v{number}"))
    listed = list(tested.pool.volumes())
    assert listed == sorted(listed, key=lambda volume: volume.id)
    assert len(listed) == 20
    tested.restart()
    assert list(tested.pool.volumes()) == listed


@pytest.mark.slow
def test_two_hundred_volumes_come_and_go(tested: TestedPool) -> None:
    before = tested.pool.capacity().promised
    ids = [tested.pool.create_volume(new_volume(f"v{number}")).id for number in range(200)]
    tested.restart()
    assert [volume.id for volume in tested.pool.volumes()] == sorted(ids)
    for id in ids:  # noqa: A001 - the domain's word
        tested.pool.delete_volume(id)
    assert list(tested.pool.volumes()) == []
    assert tested.pool.capacity().promised == before
    assert tested.strays() == []


@pytest.mark.parametrize("size", [0, 1, MIB + 1])
def test_a_size_that_is_no_multiple_of_the_unit_is_refused(bare: TestedPool, size: int) -> None:
    with pytest.raises(SizeOutOfRange):
        bare.pool.create_volume(NewVolume("a", Bytes(size), None))
    assert (list(bare.pool.volumes()), bare.strays()) == ([], [])


def test_a_strict_pool_does_not_answer_twice(bare: TestedPool) -> None:
    volume = bare.pool.create_volume(new_volume("a"))
    bare.write(volume.id, 0, b"mine")
    with pytest.raises(VolumeExists):
        bare.pool.create_volume(new_volume("a"))
    with pytest.raises(VolumeExists):
        bare.pool.create_volume(new_volume("a", 2))
    assert bare.pool.volume(volume.id) == volume
    assert bare.read(volume.id).startswith(b"mine")


def test_a_repeated_call_is_answered_as_the_first_also_after_a_restart(tested: TestedPool) -> None:
    first = tested.pool.create_volume(new_volume("a"))
    tested.restart()
    assert tested.pool.create_volume(new_volume("a")) == first


@pytest.mark.parametrize(
    "question",
    [
        lambda pool: pool.volume(VolumeId.of_name("never")),
        lambda pool: pool.grow_volume(VolumeId.of_name("never"), Bytes(MIB)),
        lambda pool: pool.delete_volume(VolumeId.of_name("never")),
        lambda pool: pool.attach(VolumeId.of_name("never")),
        lambda pool: pool.detach(VolumeId.of_name("never")),
        lambda pool: pool.label_volume(VolumeId.of_name("never"), {"a": "b"}),
        lambda pool: pool.mark_formatted(VolumeId.of_name("never")),
        lambda pool: pool.footprint(VolumeId.of_name("never")),
        lambda pool: pool.snapshot(SnapshotId.of_name("never")),
        lambda pool: pool.delete_snapshots([SnapshotId.of_name("never")]),
        lambda pool: pool.label_snapshot(SnapshotId.of_name("never"), {"a": "b"}),
        lambda pool: pool.footprint(SnapshotId.of_name("never")),
        lambda pool: pool.clone_snapshot(SnapshotId.of_name("never"), new_volume("a")),
    ],
)
def test_what_was_never_made_is_not_found(bare: TestedPool, question: Callable[[Pool], object]) -> None:
    with pytest.raises(NotFound):
        question(bare.pool)
    assert bare.strays() == []


def test_a_deleted_volume_is_not_found_and_its_name_is_free(bare: TestedPool) -> None:
    volume = bare.pool.create_volume(new_volume("a"))
    bare.write(volume.id, 0, b"secret")
    bare.pool.delete_volume(volume.id)
    with pytest.raises(VolumeNotFound):
        bare.pool.volume(volume.id)
    with pytest.raises(VolumeNotFound):
        bare.pool.delete_volume(volume.id)
    bare.pool.create_volume(new_volume("a"))
    assert bare.read(volume.id) == bytes(MIB)


def test_growing_keeps_the_contents_and_adds_zeroes(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(new_volume("a"))
    tested.write(volume.id, MIB - 4, b"last")
    grown = tested.pool.grow_volume(volume.id, Bytes(3 * MIB))
    assert (grown.size, grown.created_at) == (3 * MIB, volume.created_at)
    assert tested.read(volume.id) == bytes(MIB - 4) + b"last" + bytes(2 * MIB)
    assert tested.pool.grow_volume(volume.id, Bytes(3 * MIB)) == grown
    for smaller in (2 * MIB, 3 * MIB + 1):
        with pytest.raises(SizeOutOfRange):
            tested.pool.grow_volume(volume.id, Bytes(smaller))
    assert tested.pool.volume(volume.id) == grown


def test_a_volume_grows_while_it_is_in_use(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(new_volume("a"))
    device = tested.pool.attach(volume.id)
    with tested.in_use(volume.id), device.open("rb") as reading:
        tested.pool.grow_volume(volume.id, Bytes(2 * MIB))
        assert reading.seek(0, os.SEEK_END) == 2 * MIB
        assert tested.pool.attach(volume.id) == device


def test_a_device_is_the_same_when_asked_for_again(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(new_volume("a"))
    tested.pool.detach(volume.id)
    device = tested.pool.attach(volume.id)
    assert tested.pool.attach(volume.id) == device
    assert device.is_absolute()
    tested.pool.detach(volume.id)
    tested.pool.detach(volume.id)


def test_a_device_outlives_the_driver(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(new_volume("a"))
    with tested.pool.attach(volume.id).open("r+b", buffering=0) as device:
        with tested.in_use(volume.id):
            tested.restart()
            again = tested.pool.attach(volume.id)
        device.write(b"on both")
        os.fsync(device.fileno())
        assert again.read_bytes()[:7] == b"on both"


def test_a_volume_in_use_is_neither_detached_nor_deleted(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(new_volume("a"))
    tested.write(volume.id, 0, b"mine")
    tested.pool.attach(volume.id)
    with tested.in_use(volume.id):
        for forbidden in (tested.pool.detach, tested.pool.delete_volume):
            with pytest.raises(StillInUse):
                forbidden(volume.id)
        assert tested.pool.volume(volume.id) == volume
        assert tested.read(volume.id).startswith(b"mine")
        tested.restart()
        with pytest.raises(StillInUse):
            tested.pool.delete_volume(volume.id)
    tested.pool.delete_volume(volume.id)
    assert tested.strays() == []


def test_an_attached_volume_that_nobody_holds_is_deleted_with_its_device(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(new_volume("a"))
    tested.pool.attach(volume.id)
    tested.pool.delete_volume(volume.id)
    assert (list(tested.pool.volumes()), tested.strays()) == ([], [])


def test_the_pool_has_an_identity_that_stays(tested: TestedPool) -> None:
    identity, name = tested.pool.id, tested.pool.name
    tested.restart()
    assert (tested.pool.id, tested.pool.name) == (identity, name)


def test_written_bytes_are_counted(tested: TestedPool) -> None:
    volume = tested.pool.create_volume(new_volume("a", 16))
    before = tested.pool.capacity()
    assert tested.pool.footprint(volume.id).allocated < MIB
    tested.write(volume.id, 0, os.urandom(8 * MIB))
    tested.harness.counted()
    after = tested.pool.capacity()
    footprint = tested.pool.footprint(volume.id)
    assert 8 * MIB <= footprint.allocated < 9 * MIB
    assert footprint.extents >= 1
    assert after.used - before.used >= 7 * MIB
    assert after.total == before.total
    assert after.used <= after.total
    tested.pool.delete_volume(volume.id)
    assert tested.pool.capacity().promised == before.promised - 16 * MIB
