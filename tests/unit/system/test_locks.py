from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from rokcsi.model.deadline import Deadline, beyond_the_call, deadline
from rokcsi.model.errors import Busy, CallerGone, LockTimeout
from rokcsi.system.locks import KeyedLocks

PATIENCE = 20.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "what was waited for never came"
        time.sleep(0.001)


def holding(locks: KeyedLocks, key: str, threads: ThreadPoolExecutor) -> tuple[threading.Event, Future[None]]:
    """Hold a key in another thread until the event is set."""
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.held([key]):
            held.set()
            assert let_go.wait(PATIENCE)

    future = threads.submit(hold)
    assert held.wait(PATIENCE)
    return let_go, future


def test_a_second_one_waits_until_the_first_is_done(threads: ThreadPoolExecutor) -> None:
    locks = KeyedLocks()
    let_go, first = holding(locks, "a", threads)
    came: list[str] = []

    def second() -> None:
        with locks.held(["a"]):
            came.append("second")

    waiting = threads.submit(second)
    until(lambda: locks.waiting == 1)
    assert came == []
    let_go.set()
    waiting.result(PATIENCE)
    first.result(PATIENCE)
    assert came == ["second"]


def test_other_keys_are_free(threads: ThreadPoolExecutor) -> None:
    locks = KeyedLocks()
    let_go, first = holding(locks, "a", threads)
    with locks.held(["b"]):
        let_go.set()
    first.result(PATIENCE)


def test_those_who_share_do_not_wait_for_each_other() -> None:
    locks = KeyedLocks()
    with locks.held([], shared=["a"]), deadline(Deadline(at=time.monotonic())), locks.held(["b"], shared=["a"]):
        assert locks.keys_in_use == 2


def test_one_who_changes_waits_for_all_who_share() -> None:
    locks = KeyedLocks()
    limit = Deadline(at=time.monotonic() + 0.01)
    with locks.held([], shared=["a"]), deadline(limit), pytest.raises(LockTimeout), locks.held(["a"]):
        pytest.fail("two held it at once")


def test_nobody_overtakes_one_who_waits_to_change(threads: ThreadPoolExecutor) -> None:
    locks = KeyedLocks()
    order: list[str] = []

    def work(name: str, exclusive: list[str], shared: list[str]) -> None:
        with locks.held(exclusive, shared):
            order.append(name)

    with locks.held([], shared=["a"]):
        writer = threads.submit(work, "writer", ["a"], [])
        until(lambda: locks.waiting == 1)
        reader = threads.submit(work, "reader", [], ["a"])
        until(lambda: locks.waiting == 2)
    writer.result(PATIENCE)
    reader.result(PATIENCE)
    assert order == ["writer", "reader"]


def test_a_wait_ends_at_the_deadline_and_leaves_no_trace() -> None:
    locks = KeyedLocks()
    with locks.held(["b"]):
        with deadline(Deadline(at=time.monotonic() + 0.01)), pytest.raises(LockTimeout), locks.held(["a", "b", "c"]):
            pytest.fail("it was never free")
        assert (locks.waiting, locks.keys_in_use) == (0, 1)
    assert locks.keys_in_use == 0


def test_when_a_writer_gives_up_the_readers_behind_it_go_on(threads: ThreadPoolExecutor) -> None:
    locks = KeyedLocks()

    def impatient() -> None:
        with deadline(Deadline(at=time.monotonic() + 0.2)), locks.held(["a"]):
            pytest.fail("it was never free")

    def reader() -> None:
        with locks.held([], shared=["a"]):
            return

    with locks.held([], shared=["a"]):
        writer = threads.submit(impatient)
        until(lambda: locks.waiting == 1)
        behind = threads.submit(reader)
        behind.result(PATIENCE)
        with pytest.raises(LockTimeout):
            writer.result(PATIENCE)


def test_a_caller_who_has_gone_is_dropped_when_his_turn_comes() -> None:
    locks = KeyedLocks()
    with deadline(Deadline(caller_is_there=lambda: False)), pytest.raises(CallerGone), locks.held(["a"]):
        pytest.fail("nobody wants this any more")
    assert locks.keys_in_use == 0


def test_more_waiters_than_allowed_are_sent_away_at_once(threads: ThreadPoolExecutor) -> None:
    locks = KeyedLocks(most_waiting=1)
    let_go, first = holding(locks, "a", threads)

    def wait() -> None:
        with locks.held(["a"]):
            return

    second = threads.submit(wait)
    until(lambda: locks.waiting == 1)
    with pytest.raises(Busy, match="try again"), locks.held(["a"]):
        pytest.fail("there was no room to wait")

    def clean_up() -> None:
        with deadline(Deadline(caller_is_there=lambda: False)), beyond_the_call():
            wait()

    owed = threads.submit(clean_up)
    until(lambda: locks.waiting == 2)
    with locks.held(["b"]):
        let_go.set()
    for each in (first, second, owed):
        each.result(PATIENCE)
    assert (locks.waiting, locks.keys_in_use) == (0, 0)


def test_a_failure_inside_lets_go() -> None:
    locks = KeyedLocks()
    with pytest.raises(ZeroDivisionError), locks.held(["a"], shared=["b"]):
        raise ZeroDivisionError
    assert locks.keys_in_use == 0


def test_crossing_pairs_never_block_each_other_for_ever(threads: ThreadPoolExecutor) -> None:
    locks = KeyedLocks()
    inside = threading.Lock()

    def work(pair: list[str]) -> None:
        for _ in range(200):
            with locks.held(pair):
                assert inside.acquire(blocking=False), "two were in at once"
                inside.release()

    done = [threads.submit(work, pair) for pair in (["a", "b"], ["b", "a"], ["b", "c", "a"], ["a", "c", "b"])]
    for future in done:
        future.result(PATIENCE)
    assert locks.keys_in_use == 0
