from __future__ import annotations

import datetime as dt
import threading

import pytest

from rokcsi.model.errors import Damaged, SystemCallFailed, VolumeDamaged, VolumeNotFound
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, GroupMembership, Snapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.lvm_direct.device_ids import LEASE
from rokcsi.pools.lvm_direct.entries import Entry, key_of
from rokcsi.pools.lvm_direct.journal import Journal
from rokcsi.pools.lvm_direct.ledger import Ledger
from tests.fakes.record_disk import RecordDisk

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def volume(name: str, size: int = 4096) -> Volume:
    return Volume(VolumeId.of_name(name), name, Bytes(size), "xfs", True, None, NOW, {"a": "b"})


def snapshot(name: str, of: str = "v") -> Snapshot:
    group = GroupMembership.of_name("g", 2)
    kinds = (Consistency.CRASH, 0.002)
    return Snapshot(
        SnapshotId.of_name(name), name, VolumeId.of_name(of), Bytes(4096), None, False, NOW, group, *kinds, {"a": "b"}
    )


@pytest.fixture
def disk() -> RecordDisk:
    return RecordDisk()


@pytest.fixture
def ledger(disk: RecordDisk) -> Ledger:
    return Ledger(Journal.create(disk, "owner"))


def reopened(disk: RecordDisk) -> Ledger:
    return Ledger(Journal.open(disk.after_a_power_cut()))


def test_everything_is_known_again_after_a_power_cut(ledger: Ledger, disk: RecordDisk) -> None:
    one, two, three = ledger.take_devices(3)
    ledger.put([Entry(volume("v"), one)])
    ledger.put([Entry(snapshot("s"), two), Entry(snapshot("t"), three)])
    again = reopened(disk)
    assert list(again.index.volumes()) == [volume("v")]
    assert sorted(it.name for it in again.index.snapshots()) == ["s", "t"]
    assert again.index.snapshot(SnapshotId.of_name("s")) == snapshot("s")
    assert again.device_of(VolumeId.of_name("v")) == one
    assert again.complete


def test_what_is_removed_leaves_its_device_to_go_until_that_is_gone(ledger: Ledger, disk: RecordDisk) -> None:
    [device] = ledger.take_devices(1)
    ledger.put([Entry(volume("v"), device)])
    assert list(ledger.remove([VolumeId.of_name("v")])) == [device]
    with pytest.raises(VolumeNotFound):
        ledger.index.volume(VolumeId.of_name("v"))
    assert set(reopened(disk).going()) == {device}
    ledger.gone(device)
    assert set(ledger.going()) == set()
    ledger.put([Entry(volume("w"), ledger.take_devices(1)[0])])
    assert set(reopened(disk).going()) == set()


def test_every_number_that_is_out_without_an_entry_is_in_the_lease_on_the_disk(
    ledger: Ledger, disk: RecordDisk
) -> None:
    out: set[int] = set()
    for number in range(LEASE):
        taken = ledger.take_devices(3)
        ledger.put([Entry(volume(f"v{number}"), taken[0])])
        ledger.give_back(taken[1:2])
        out.add(taken[2])
    assert out <= set(reopened(disk).lease())


def test_numbers_cost_no_flush_of_their_own_but_the_first_ones(ledger: Ledger, disk: RecordDisk) -> None:
    ledger.take_devices(1)
    before = disk.flushes
    for number in range(3 * LEASE):
        ledger.put([Entry(volume(f"v{number % 5}"), ledger.take_devices(1)[0])])
    turns = 3 * LEASE // 100
    assert disk.flushes - before <= 3 * LEASE + 2 * turns


def test_many_calls_at_once_get_numbers_of_their_own(ledger: Ledger, disk: RecordDisk) -> None:
    def create(number: int) -> None:
        for each in range(20):
            ledger.put([Entry(volume(f"{number}-{each}"), ledger.take_devices(1)[0])])

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = reopened(disk)
    assert len(again.index.volumes()) == 160
    assert len(set(again.devices().values())) == 160


def test_a_change_that_is_not_durable_is_not_in_the_index(ledger: Ledger, disk: RecordDisk) -> None:
    [device] = ledger.take_devices(1)
    disk.failing_flushes = 5
    with pytest.raises(SystemCallFailed):
        ledger.put([Entry(volume("v"), device)])
    assert list(ledger.index.volumes()) == []
    disk.failing_flushes = 0
    ledger.give_back([device])
    ledger.put([Entry(volume("w"), ledger.take_devices(1)[0])])
    assert [it.name for it in reopened(disk).index.volumes()] == ["w"]


def test_an_entry_whose_device_is_missing_is_set_aside_and_can_be_removed(ledger: Ledger, disk: RecordDisk) -> None:
    [device] = ledger.take_devices(1)
    ledger.put([Entry(volume("v"), device)])
    ledger.meet([device + 1])
    id_ = VolumeId.of_name("v")
    with pytest.raises(VolumeDamaged, match="not in the thin pool"):
        ledger.index.volume(id_)
    assert ledger.index.has_volume(id_)
    ledger.remove([id_])
    with pytest.raises(VolumeNotFound):
        ledger.index.volume(id_)
    assert not ledger.index.has_volume(id_)


@pytest.mark.parametrize("value", [b"{", b"[]", b'{"r":1}', b'{"r":1,"n":"x","t":1,"z":4096,"d":0}', b'{"r":9}'])
def test_an_entry_that_cannot_be_read_is_set_aside_and_nothing_is_trusted_to_be_complete(
    ledger: Ledger, disk: RecordDisk, value: bytes
) -> None:
    journal = Journal.open(disk)
    journal.write({key_of(VolumeId.of_name("v")): value, key_of(SnapshotId.of_name("s")): value})
    again = reopened(disk)
    assert not again.complete
    with pytest.raises(VolumeDamaged, match="cannot be read"):
        again.index.volume(VolumeId.of_name("v"))
    with pytest.raises(Damaged, match="cannot be read"):
        again.index.snapshot(SnapshotId.of_name("s"))


def test_a_lease_that_cannot_be_read_is_no_reason_to_remove_anything(disk: RecordDisk) -> None:
    journal = Journal.create(disk, "owner")
    journal.write({"lease": b'["x"]'})
    assert not reopened(disk).complete
