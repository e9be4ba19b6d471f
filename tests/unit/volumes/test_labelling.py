from __future__ import annotations

import pytest

from rokcsi.volumes.labelling import with_said

SAID = {"rok/a": "1" * 10, "rok/b": "2" * 100, "rok/c": "3"}


@pytest.mark.parametrize(
    ("room", "kept"), [(1000, ["a", "b", "c"]), (126, ["a", "b", "c"]), (125, ["a", "b"]), (30, ["a", "c"]), (0, [])]
)
def test_the_first_labels_are_kept_and_those_that_still_fit(room: int, kept: list[str]) -> None:
    assert list(with_said({}, SAID, room)) == [f"rok/{name}" for name in kept]


def test_what_a_driver_needs_itself_is_always_kept_and_takes_room() -> None:
    assert with_said({"verification": "x" * 50}, SAID, 40) == {"verification": "x" * 50}
    assert list(with_said({"verification": "x" * 50}, SAID, 80)) == ["verification", "rok/a"]


def test_letters_that_are_no_ascii_take_the_room_of_their_bytes() -> None:
    assert with_said({}, {"rok/a": "ü" * 10}, 24) == {}
    assert with_said({}, {"rok/a": "ü" * 10}, 25) != {}
