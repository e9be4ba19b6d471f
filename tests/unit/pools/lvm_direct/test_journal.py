from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rokcsi.model.errors import Damaged, PoolFull
from rokcsi.pools.lvm_direct import journal as journals
from rokcsi.pools.lvm_direct.blocks import BLOCK, blocks_of
from rokcsi.pools.lvm_direct.journal import Journal
from rokcsi.pools.lvm_direct.journal_head import LANES
from tests.fakes.record_disk import SECTOR, RecordDisk


@pytest.fixture(autouse=True)
def small_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SMALLEST_ROOM", 16 * BLOCK)


@pytest.fixture
def disk() -> RecordDisk:
    return RecordDisk()


@pytest.fixture
def journal(disk: RecordDisk) -> Journal:
    return Journal.create(disk, "owner")


def found_on(disk: RecordDisk) -> dict[str, bytes]:
    return Journal.open(disk).state()


def test_what_was_written_is_there_after_a_power_cut(journal: Journal, disk: RecordDisk) -> None:
    journal.write({"a": b"1", "b": b"2"})
    journal.write({"a": b"3", "b": None})
    journal.write({"c": b"x" * 20_000})
    again = Journal.open(disk.after_a_power_cut())
    assert again.state() == {"a": b"3", "c": b"x" * 20_000}
    assert (again.owner, again.missing) == ("owner", 0)


def test_each_change_has_one_flush(journal: Journal, disk: RecordDisk) -> None:
    before = disk.flushes
    for number in range(5):
        journal.write({"a": b"%d" % number})
    assert disk.flushes == before + 5


def test_what_may_wait_is_durable_with_the_next_change(journal: Journal, disk: RecordDisk) -> None:
    before = disk.flushes
    journal.write_with_the_next({"a": b"1"})
    assert disk.flushes == before
    assert found_on(disk.after_a_power_cut()) == {}
    journal.write({"b": b"2"})
    assert found_on(disk.after_a_power_cut()) == {"a": b"1", "b": b"2"}


def test_what_a_driver_killed_before_its_flush_has_written_is_made_durable_by_the_next_one(
    journal: Journal, disk: RecordDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[RecordDisk] = []
    monkeypatch.setattr(disk, "flush", lambda: killed.append(disk.after_a_kill()))
    journal.write({"a": b"1"})
    [next_one] = killed
    assert found_on(next_one) == {"a": b"1"}
    assert found_on(next_one.after_a_power_cut()) == {"a": b"1"}


def test_what_waits_while_a_turn_is_unfinished_is_not_lost(
    journal: Journal, disk: RecordDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, fails = disk.flush, iter([1, 0, 1])

    def flush_between_failures() -> None:
        disk.failing_flushes = next(fails, 0)
        flush()

    monkeypatch.setattr(disk, "flush", flush_between_failures)
    with pytest.raises(OSError, match="as the test wants it"):
        journal.write({"a": b"1"})
    assert list(fails) == [], "the turn was not left unfinished"
    journal.write_with_the_next({"b": b"2"})
    journal.write({"c": b"3"})
    assert found_on(disk.after_a_power_cut()) == {"b": b"2", "c": b"3"}


def test_changes_made_at_the_same_time_share_flushes_and_are_all_there(journal: Journal, disk: RecordDisk) -> None:
    before = disk.flushes
    threads = [threading.Thread(target=journal.write, args=({f"k{n}": b"v"},)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert disk.flushes <= before + 40 + 6
    assert len(found_on(disk.after_a_power_cut())) == 40


def test_a_full_lane_is_written_anew_and_nothing_is_lost(journal: Journal, disk: RecordDisk) -> None:
    for number in range(200):
        journal.write({f"k{number % 7}": b"%d" % number})
    assert found_on(disk.after_a_power_cut()) == {f"k{number % 7}": b"%d" % number for number in range(193, 200)}


def test_a_map_that_grows_gets_more_room(journal: Journal, disk: RecordDisk) -> None:
    for number in range(60):
        journal.write({f"k{number}": b"x" * BLOCK})
    assert len(found_on(disk.after_a_power_cut())) == 60


def test_where_there_is_no_more_room_making_is_refused_and_deleting_goes_on(journal: Journal, disk: RecordDisk) -> None:
    disk.room = LANES[1] + 16 * BLOCK
    for number in range(7):
        journal.write({f"k{number}": b"x" * BLOCK})
    with pytest.raises(PoolFull):
        journal.write({"k7": b"x" * BLOCK})
    for _ in range(50):
        journal.write({"k0": b"y" * BLOCK})
    for number in range(7):
        journal.write({f"k{number}": None, f"d{number}": b"going"})
        journal.write({f"d{number}": None})
    journal.write({"again": b"1"})
    assert found_on(disk.after_a_power_cut()) == {"again": b"1"}


def test_a_write_that_fails_has_not_happened(journal: Journal, disk: RecordDisk) -> None:
    journal.write({"a": b"1"})
    disk.writes_left = 0
    with pytest.raises(OSError, match="as the test"):
        journal.write({"a": b"2", "b": b"3"})
    disk.writes_left = None
    assert journal.state() == {"a": b"1"}
    journal.write({"c": b"4"})
    assert found_on(disk.after_a_power_cut()) == {"a": b"1", "c": b"4"}


@pytest.mark.parametrize("failures", [1, 2, 3, 5])
def test_a_flush_that_fails_has_changed_nothing_once_another_succeeds(
    journal: Journal, disk: RecordDisk, failures: int
) -> None:
    journal.write({"a": b"1"})
    disk.failing_flushes = failures
    with pytest.raises(OSError, match="as the test"):
        journal.write({"a": b"2", "b": b"3"})
    disk.failing_flushes = 0
    journal.write({"c": b"4"})
    assert journal.state() == {"a": b"1", "c": b"4"}
    assert found_on(disk.after_a_power_cut()) == {"a": b"1", "c": b"4"}


def test_a_head_whose_writing_failed_is_written_before_anything_else(journal: Journal, disk: RecordDisk) -> None:
    journal.write({"a": b"1"})
    disk.writes_left = 1  # the map itself
    with pytest.raises(OSError, match="as the test"):
        journal.turn()
    disk.writes_left = None
    assert found_on(disk.after_a_power_cut()) == {"a": b"1"}
    journal.write({"a": b"2"})
    assert found_on(disk.after_a_power_cut()) == {"a": b"2"}


def test_a_block_that_was_durable_and_is_lost_is_counted_and_the_rest_is_there(
    journal: Journal, disk: RecordDisk
) -> None:
    for number in range(4):
        journal.write({f"k{number}": b"v"})
    lane = LANES[0] if disk.read(LANES[0], BLOCK) > disk.read(LANES[1], BLOCK) else LANES[1]
    disk.durable[(lane + BLOCK) // SECTOR] = bytes(SECTOR)
    again = Journal.open(disk.after_a_power_cut())
    assert again.missing == 1
    assert len(again.state()) == 3


def test_what_a_user_writes_into_a_value_never_passes_for_a_block(journal: Journal, disk: RecordDisk) -> None:
    forged = blocks_of(2, 1, 0, b"forged\tyes")
    journal.write({"a": forged.replace(b"\n", b"").replace(b"\t", b" ") * 2})
    journal.write({"a": None})
    assert found_on(disk.after_a_power_cut()) == {}


def test_a_device_without_a_journal_is_refused(disk: RecordDisk) -> None:
    with pytest.raises(Damaged, match="holds no journal"):
        Journal.open(disk)


@pytest.mark.parametrize("copy", [0, 1])
def test_a_lost_copy_of_the_head_does_no_harm(journal: Journal, disk: RecordDisk, copy: int) -> None:
    for number in range(100):
        journal.write({"a": b"%d" % number})
    disk.durable[copy * BLOCK // SECTOR] = bytes(SECTOR)
    assert found_on(disk.after_a_power_cut()) == {"a": b"99"}


keys = st.sampled_from("abcdefgh")
values = st.none() | st.binary(max_size=30).map(lambda raw: raw.hex().encode() or b"0")
values |= st.integers(1, 3 * BLOCK).map(lambda length: b"x" * length)
changes = st.dictionaries(keys, values, min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(changes, st.booleans()), min_size=1, max_size=40), st.integers(0, 10**6), st.integers(0, 400))
def test_after_a_power_cut_at_any_moment_all_that_was_acknowledged_is_there_and_every_change_wholly_or_not(
    story: list[tuple[dict[str, bytes | None], bool]], seed: int, writes: int
) -> None:
    disk = RecordDisk()
    journal = Journal.create(disk, "owner")
    disk.writes_left = writes
    states = [dict[str, bytes]()]
    acknowledged = 0
    for change, durable in story:
        expected = {key: value for key, value in {**states[-1], **change}.items() if value is not None}
        states.append(expected)
        try:
            (journal.write if durable else journal.write_with_the_next)(change)
        except OSError:
            break
        acknowledged = len(states) - 1 if durable else acknowledged
    chance = random.Random(seed)
    for lost in (disk.after_a_power_cut(), disk.after_a_power_cut(chance), disk.after_a_power_cut(chance)):
        found = Journal.open(lost)
        assert found.missing == 0
        assert found.state() in states[acknowledged:]
