from __future__ import annotations

import threading
import time

import pytest

from rokcsi.model.deadline import Deadline, beyond_the_call, current_deadline, deadline


def test_where_nobody_set_a_deadline_there_is_none() -> None:
    assert current_deadline().remaining_seconds() is None
    assert current_deadline().caller_is_there()


def test_what_is_left_is_never_negative() -> None:
    assert Deadline(at=time.monotonic() - 5).remaining_seconds() == 0.0
    left = Deadline(at=time.monotonic() + 60).remaining_seconds()
    assert left is not None
    assert 0 < left <= 60


def test_a_deadline_binds_its_block_and_the_outer_one_comes_back() -> None:
    outer, inner = Deadline(at=1.0), Deadline(at=2.0)
    with deadline(outer):
        with deadline(inner):
            assert current_deadline() is inner
        assert current_deadline() is outer
    assert current_deadline() == Deadline()


def test_a_deadline_ends_also_when_the_call_fails() -> None:
    with pytest.raises(ZeroDivisionError), deadline(Deadline(at=1.0)):
        raise ZeroDivisionError
    assert current_deadline() == Deadline()


def test_a_deadline_does_not_bind_other_threads() -> None:
    seen: list[Deadline] = []
    with deadline(Deadline(at=1.0)):
        thread = threading.Thread(target=lambda: seen.append(current_deadline()))
        thread.start()
        thread.join(20)
    assert seen == [Deadline()]


def test_clean_up_has_a_limit_of_its_own_whatever_became_of_the_call() -> None:
    over = Deadline(time.monotonic() - 1, lambda: False)
    with deadline(over):
        with beyond_the_call():
            left = current_deadline().remaining_seconds()
            assert left is not None
            assert 1 < left <= 60
            assert current_deadline().caller_is_there()
            assert current_deadline().owed
        assert current_deadline() is over
