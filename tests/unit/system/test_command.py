from __future__ import annotations

import time

import pytest

from rokcsi.model.errors import ToolFailed
from rokcsi.system.command import Completed, HostRunner
from tests.fakes.scripted_runner import ScriptedRunner


def test_a_program_speaks_english_and_has_nothing_to_read() -> None:
    ended = HostRunner().run(["sh", "-c", "echo $LC_ALL; cat; echo oops >&2"])
    assert ended == Completed("C\n", "oops\n", 0)


def test_words_are_not_read_by_a_shell() -> None:
    assert HostRunner().run(["echo", "$(id); `id`", "*"]).stdout == "$(id); `id` *\n"


def test_a_failure_tells_the_command_its_status_and_what_it_said() -> None:
    with pytest.raises(ToolFailed, match=r"sh -c .* ended with status 3: because"):
        HostRunner().run(["sh", "-c", "echo because >&2; exit 3"])


def test_a_status_that_was_expected_is_an_answer() -> None:
    assert HostRunner().run(["sh", "-c", "exit 2"], accepted_statuses=(0, 2)).status == 2


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(ToolFailed, match="'rokcsi-no-such-program' is not installed"):
        HostRunner().run(["rokcsi-no-such-program"])


def test_a_program_that_takes_too_long_is_killed() -> None:
    began = time.monotonic()
    with pytest.raises(ToolFailed, match=r"within 0\.2 s"):
        HostRunner().run(["sleep", "60"], timeout_seconds=0.2)
    assert time.monotonic() - began < 30


def test_output_that_is_no_text_is_shown_as_well_as_it_can_be() -> None:
    assert HostRunner().run(["printf", r"\377x"]).stdout == "\N{REPLACEMENT CHARACTER}x"


def test_the_scripted_runner_answers_by_the_longest_beginning_and_fails_as_the_real_one_does() -> None:
    runner = ScriptedRunner({"blkid": Completed("", "", 2), "blkid -p": Completed("xfs", "")})
    assert runner.run(["blkid", "-p", "/dev/x"]).stdout == "xfs"
    assert runner.run(["mkfs.xfs", "/dev/x"]) == Completed("", "")
    with pytest.raises(ToolFailed):
        runner.run(["blkid", "/dev/x"])
    assert runner.calls[-1] == ["blkid", "/dev/x"]
