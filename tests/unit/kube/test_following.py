"""A list that is taken over page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from rokcsi.kube.following import Following, Object


class Pages:
    """An API of three pages, and whoever takes them; `events` tells the order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.fails_at = ""

    def __call__(self, _continue: str, **_: Any) -> Any:
        self.events.append(f"page {_continue or 1}")
        if _continue and _continue == self.fails_at:
            raise TimeoutError("nobody answers")
        following = {"": "2", "2": "3", "3": ""}[_continue]
        page = {"items": [{"of": _continue or "1"}], "metadata": {"resourceVersion": "7", "continue": following}}
        return SimpleNamespace(data=json.dumps(page))

    def listed(self, objects: Iterator[Object]) -> None:
        for each in objects:
            self.events.append(f"took {each['of']}")
        self.events.append("all")

    def changed(self, changed: Object) -> None:
        raise NotImplementedError

    gone = changed


def test_a_page_is_asked_for_when_the_one_before_it_was_taken() -> None:
    pages = Pages()
    following = Following("things", pages, pages)
    following.list_now()
    assert pages.events == ["page 1", "took 1", "page 2", "took 2", "page 3", "took 3", "all"]
    assert following.why_not is None


def test_a_list_that_breaks_off_is_never_taken_for_all_there_is() -> None:
    pages = Pages()
    pages.fails_at = "3"
    following = Following("things", pages, pages)
    with pytest.raises(TimeoutError):
        following.list_now()
    assert "all" not in pages.events
    assert following.why_not is not None
