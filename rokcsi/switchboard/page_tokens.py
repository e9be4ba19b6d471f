"""Where a list over all nodes goes on: a pool, and that pool's own token (empty: at its beginning).

Pools are listed in the order of their ids, so that a token stays right while nodes come and go.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass

from rokcsi.model.errors import BadPageToken
from rokcsi.model.ids import PoolId

_POOL_DIGITS = 32
_CHECK_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list."""

    pool: PoolId
    token: str = ""

    def written(self, query: str) -> str:
        """Give the token for callers; `query` is what the list is of."""
        return f"{self.pool}{self.token}{_check(query, self.pool, self.token)}"


def read_place(text: str, query: str) -> Place:
    """Read a token for callers; raise BadPageToken for one that was never handed out for this list."""
    pool, token, check = text[:_POOL_DIGITS], text[_POOL_DIGITS:-_CHECK_DIGITS], text[-_CHECK_DIGITS:]
    if len(text) >= _POOL_DIGITS + _CHECK_DIGITS and check == _check(query, pool, token):
        with suppress(ValueError):  # anybody can compute a check, over anything
            return Place(PoolId(pool), token)
    raise BadPageToken("starting_token was not handed out for this list; begin again without one")


def _check(query: str, pool: str, token: str) -> str:
    return hashlib.sha256(f"{query}\0{pool}\0{token}".encode()).hexdigest()[:_CHECK_DIGITS]
