"""How answers are printed."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
import yaml

from rokcsi.cli.formats import Column, Format, plain, show_list, show_one
from rokcsi.cli.words import age, counted, seconds, short, status_of_exit
from rokcsi.model.sizes import Bytes

NOON = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.UTC)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Thing:
    name: str
    size: Bytes
    made: dt.datetime
    colour: Colour = Colour.RED
    parts: tuple[str, ...] = ()
    place: Path | None = None


THING = Thing("a", Bytes(1 << 30), NOON, parts=("x", "y"), place=Path("/p"))
COLUMNS = (
    Column[Thing]("NAME", lambda thing: thing.name),
    Column[Thing]("SIZE", lambda thing: str(thing.size)),
    Column[Thing]("MADE", lambda thing: str(thing.made), wide=True),
)


def test_a_dataclass_becomes_json_with_bytes_as_numbers_and_instants_in_iso() -> None:
    assert plain(THING) == {
        "name": "a",
        "size": 1 << 30,
        "made": "2026-01-02T12:00:00Z",
        "colour": "red",
        "parts": ["x", "y"],
        "place": "/p",
    }
    assert type(plain(THING)["size"]) is int
    assert type(plain(THING)["colour"]) is str


def test_a_list_prints_in_each_format(capsys: pytest.CaptureFixture[str]) -> None:
    def printed(form: Format) -> str:
        show_list([THING], COLUMNS, form, lambda thing: f"thing/{thing.name}")
        return capsys.readouterr().out

    assert printed(Format.TABLE).split() == ["NAME", "SIZE", "a", "1Gi"]
    assert "MADE" in printed(Format.WIDE)
    assert printed(Format.NAME) == "thing/a\n"
    assert json.loads(printed(Format.JSON))[0]["name"] == "a"
    assert yaml.safe_load(printed(Format.YAML))[0]["size"] == 1 << 30


def test_one_thing_is_an_object_in_json_and_not_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    show_one(THING, COLUMNS, Format.JSON, lambda thing: thing.name)
    assert json.loads(capsys.readouterr().out)["name"] == "a"


def test_an_empty_list_is_empty_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    nothing: list[Thing] = []
    show_list(nothing, COLUMNS, Format.TABLE, lambda thing: thing.name)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Nothing found" in captured.err


def test_a_piped_table_is_whole_and_control_characters_do_not_break_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_list([Thing("x" * 300 + "\nb", Bytes(1), NOON)], COLUMNS, Format.TABLE, lambda thing: thing.name)
    out = capsys.readouterr().out
    assert "x" * 300 in out
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize("width", ["20", "80"])
def test_a_table_on_a_terminal_is_whole_too_so_that_an_id_can_be_pasted(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show_list([Thing("digits-1a2b3c4d" * 9, Bytes(7), NOON)], COLUMNS, Format.WIDE, lambda thing: thing.name)
    heading, row = capsys.readouterr().out.splitlines()
    assert re.sub(r"\x1b\[[0-9]*m", "", heading).split() == ["NAME", "SIZE", "MADE"]
    assert row.split(maxsplit=2) == ["digits-1a2b3c4d" * 9, "7", str(NOON)]


@pytest.mark.parametrize(
    ("passed", "text"), [(5, "5s"), (119, "119s"), (300, "5m"), (7 * 3600, "7h"), (5 * 86400, "5d"), (-9, "0s")]
)
def test_ages_are_written_as_kubectl_does(passed: int, text: str) -> None:
    assert age(NOON, NOON + dt.timedelta(seconds=passed)) == text


def test_durations_exit_statuses_and_ids_are_short() -> None:
    assert [seconds(value) for value in (None, 0.0042, 2.5, 200.0)] == ["-", "4.2 ms", "2.50 s", "3m20s"]
    assert [status_of_exit(value) for value in (None, 0, 3, -9)] == ["-", "0", "3", "signal 9"]
    assert short("0123456789abcdef") == "01234567"
    assert short(None) == "-"


@pytest.mark.parametrize(("number", "said"), [(0, "no volumes"), (1, "1 volume"), (2, "2 volumes")])
def test_a_number_of_things_is_told_as_people_would(number: int, said: str) -> None:
    assert counted(number, "volume") == said
