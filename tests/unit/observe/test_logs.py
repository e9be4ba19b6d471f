"""Logs: one line an event, only fields that may be shown, the request's id on each."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from rokcsi.observe.calls import CallRecorder
from rokcsi.observe.logs import current_request, request, set_up_logs
from rokcsi.observe.metrics import Metrics


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("rokcsi")
    before, level, our_level = root.handlers[:], root.level, ours.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)
    ours.setLevel(our_level)


def test_a_field_outside_the_allow_list_never_reaches_the_output(stream: io.StringIO) -> None:
    set_up_logs("info", "json", stream)
    logging.getLogger("x").info("staged", extra={"volume": "v-1", "secrets": "hunter2", "volume_context": "token"})
    line = json.loads(stream.getvalue())
    assert line["volume"] == "v-1"
    assert line["event"] == "staged"
    assert "hunter2" not in stream.getvalue()
    assert "token" not in stream.getvalue()


@pytest.mark.parametrize(("level", "shown"), [("debug", ["ours"]), ("info", []), ("error", [])])
def test_what_libraries_say_at_debug_is_never_shown(stream: io.StringIO, level: str, shown: list[str]) -> None:
    set_up_logs(level, "json", stream)
    logging.getLogger("kubernetes.client.rest").debug("response body: %s", "hunter2")
    logging.getLogger("rokcsi.timeline.agenda").debug("ours")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == shown


def test_all_lines_of_one_request_carry_its_id(stream: io.StringIO) -> None:
    set_up_logs("info", "json", stream)
    with request() as number:
        logging.getLogger("x").info("one")
        assert current_request() == number
    logging.getLogger("x").info("two")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["request"] == number
    assert "request" not in second


def test_requests_of_two_threads_do_not_mix() -> None:
    seen: list[str] = []

    def work() -> None:
        with request() as number:
            seen.append(number)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(set(seen)) == 2


def test_one_event_stays_one_line_of_text_whatever_its_values_hold(stream: io.StringIO) -> None:
    set_up_logs("info", "text", stream)
    logging.getLogger("x").info("published", extra={"target": "/a\n2026 fake line", "duration_seconds": 0.25})
    assert stream.getvalue().count("\n") == 1
    assert "duration_seconds=0.250000" in stream.getvalue()


def test_a_level_below_the_chosen_one_is_silent(stream: io.StringIO) -> None:
    set_up_logs("warning", "text", stream)
    logging.getLogger("x").info("chatter")
    assert stream.getvalue() == ""


def test_a_question_that_went_well_is_quiet_a_deed_is_told_and_our_failure_is_an_error(stream: io.StringIO) -> None:
    set_up_logs("info", "json", stream)
    recorder = CallRecorder(Metrics("0"))
    recorder.finished("Probe", "OK", 0.001, {})
    recorder.finished("CreateVolume", "OK", 0.002, {"volume": "v-1"})
    recorder.finished("ListVolumes", "INTERNAL", 0.1, {"error": "broken"})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["level"], line["method"], line["status"]) for line in lines] == [
        ("info", "CreateVolume", "OK"),
        ("error", "ListVolumes", "INTERNAL"),
    ]
