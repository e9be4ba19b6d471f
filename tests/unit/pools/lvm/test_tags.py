from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rokcsi.pools.lvm.tags import escaped, fields_in, is_record_tag, record_tags, unescaped
from rokcsi.pools.record_fields import Unreadable

TAG = re.compile(r"[A-Za-z0-9_+./=!:&#][A-Za-z0-9_+./=!:&#-]{0,1023}")  # lvm(8), VALID NAMES
TEXT = st.text(min_size=1) | st.text("abc/.-!+&=:# ", min_size=1) | st.just("\ud800")
VALUES = (
    TEXT
    | st.integers(min_value=1)
    | st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
    | st.dictionaries(TEXT, TEXT, min_size=1)
    | st.lists(TEXT | st.integers(), min_size=1)
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("ntfmlsovgbz"), VALUES, min_size=1))
def test_every_record_is_read_as_it_was_written(fields: dict[str, object]) -> None:
    tags = record_tags(fields)
    assert all(TAG.fullmatch(tag) and is_record_tag(tag) for tag in tags)
    assert fields_in(tags) == {"r": 1, "c": "frozen"} | fields
    assert fields_in(reversed(["other", *tags])) == fields_in(tags)


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_written(text: str) -> None:
    assert unescaped(escaped(text)) == text


def test_what_is_empty_or_usual_is_not_written() -> None:
    assert record_tags({"r": 1, "n": "a", "f": None, "l": {}, "m": 0, "c": "frozen", "w": 0}) == ("rokcsi:na",)
    assert record_tags({"r": 1, "n": "a", "c": "crash-consistent"}) == ("rokcsi:na:ccrash-consistent",)


def test_a_long_record_goes_on_in_further_tags() -> None:
    tags = record_tags({"n": "a", "l": {f"label-{number}": "v" * 200 for number in range(40)}})
    assert [tag.partition(":")[0] for tag in tags] == [f"rokcsi.{n}/9" for n in range(1, 10)]


def test_the_usual_claim_takes_at_most_a_hundred_characters() -> None:
    claim = {"r": 1, "n": "pvc-3f0e7c1e-3c5b-4f7e-9d0a-52a3a5a0a1b2", "t": 1764012345678901, "f": "xfs", "m": 1}
    assert len("".join(record_tags(claim | {"s": "0123456789abcdef" * 2}))) <= 100
    snapshot = claim | {"n": "snapshot-3f0e7c1e-3c5b-4f7e-9d0a-52a3a5a0a1b2", "v": "0123456789abcdef" * 2}
    assert len("".join(record_tags(snapshot | {"c": "frozen"}))) <= 100


def test_tags_of_others_are_no_record() -> None:
    assert fields_in(["rokcsi", "rokcsix:na", "other", "rokcsi.cut:0123456789ab/2"]) is None


@pytest.mark.parametrize(
    "tags",
    [
        ["rokcsi:"],
        ["rokcsi:na", "rokcsi:nb"],
        ["rokcsi:na", "rokcsi.2/2:b"],
        ["rokcsi:na", "rokcsi.1/1:b"],
        ["rokcsi.1/2:na"],
        ["rokcsi.1/2:na", "rokcsi.3/3:b"],
        ["rokcsi.1/2:na", "rokcsi.2/2:b", "rokcsi.2/2:c"],
        ["rokcsi:na::fxfs"],
        ["rokcsi:n!"],
        ["rokcsi:n!4"],
        ["rokcsi:n!zz"],
        ["rokcsi:n!61"],
        ["rokcsi:t#"],
        ["rokcsi:t#1_0"],
        ["rokcsi:s=short"],
        ["rokcsi:l+a"],
        ["rokcsi:l+a=b=c"],
        ["rokcsi:n!ff"],
    ],
)
def test_a_broken_record_is_unreadable(tags: list[str]) -> None:
    with pytest.raises(Unreadable):
        fields_in(tags)
