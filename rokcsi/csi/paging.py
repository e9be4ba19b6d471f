"""Pages of a list that stay right while things come and go.

A token is the id that ended the page before, so the next page begins with whatever follows
it, whether or not that thing still exists. A check over the query makes a token that was
never handed out, or for another list, a bad one.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rokcsi.model.errors import BadPageToken, InvalidRequest

T = TypeVar("T")
_ID_DIGITS = 32
_CHECK_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; `next_token` is empty on the last one."""

    items: Sequence[T]
    next_token: str


def page(items: Sequence[T], id_of: Callable[[T], str], query: str, max_entries: int, token: str) -> Page[T]:
    """Give the page that follows `token`, of at most `max_entries` (0: all); raise InvalidRequest, BadPageToken."""
    if max_entries < 0:
        raise InvalidRequest(f"max_entries is negative ({max_entries}); 0 means no limit")
    ordered = sorted(items, key=id_of)
    start = bisect_right(ordered, _last_id(token, query), key=id_of) if token else 0
    chosen = ordered[start : start + max_entries] if max_entries else ordered[start:]
    more = start + len(chosen) < len(ordered)
    return Page(chosen, _token(id_of(chosen[-1]), query) if more else "")


def _token(last_id: str, query: str) -> str:
    return last_id + hashlib.sha256(f"{query}\0{last_id}".encode()).hexdigest()[:_CHECK_DIGITS]


def _last_id(token: str, query: str) -> str:
    last_id = token[:_ID_DIGITS]
    if token != _token(last_id, query):
        raise BadPageToken("starting_token was not handed out for this list; begin again without one")
    return last_id
