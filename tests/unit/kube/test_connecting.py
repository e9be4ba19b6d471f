"""How long the API server is waited for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rokcsi.kube.connecting import ANSWER_SECONDS, CONNECT_SECONDS, asked
from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.errors import RosterAway


def patience(**keywords: Any) -> Any:
    """Stand for a call of the API: give for how long it was to be waited for."""
    return keywords["_request_timeout"]


def test_whoever_has_no_limit_waits_as_long_as_anybody() -> None:
    assert asked(patience) == (CONNECT_SECONDS, ANSWER_SECONDS)


def test_the_api_server_is_waited_for_no_longer_than_whoever_asked_waits() -> None:
    with deadline(Deadline(time.monotonic() + 1.0)):
        connect, answer = asked(patience)
    assert 0.0 < connect <= answer <= 1.0
    with deadline(Deadline(time.monotonic() + 60.0)):
        assert asked(patience) == (CONNECT_SECONDS, ANSWER_SECONDS)


def test_it_is_not_asked_when_the_time_is_over() -> None:
    with deadline(Deadline(time.monotonic() - 1.0)), pytest.raises(RosterAway, match="no time left"):
        asked(patience)
