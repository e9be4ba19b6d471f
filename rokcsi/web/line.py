"""The line to a cluster's timeline, as `rokctl` uses it: questions in the house's words, answers or the timeline's errors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote

from rokcsi.model.errors import NotSupported
from rokcsi.model.history import Version
from rokcsi.model.people import Wish
from rokcsi.web.exchange import Document
from rokcsi.web.wire import raised, read


class Way(Protocol):
    """How a request reaches the timeline."""

    def ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Give the status and the body of the answer; raise TimelineAway, TokenRefused."""


class TimelineLine:
    """The checkpoints of one namespace; everything raises what the timeline does, and TimelineAway."""

    def __init__(self, way: Way, namespace: str) -> None:
        self._way = way
        self._namespace = namespace

    def versions(self) -> Sequence[Version]:
        """Give all that are ready, the oldest first."""
        return [read(each) for each in self._asked("GET", "").get("versions", ())]

    def version(self, which: str) -> Version:
        """Give one, by its id or the beginning of it."""
        return read(self._asked("GET", which))

    def take(self, wish: Wish) -> Version:
        """Have one taken; the author is whoever asks."""
        return read(self._asked("POST", "", {"pod": wish.pod, "title": wish.title, "message": wish.message}))

    def pin(self, which: str, *, pinned: bool) -> Version:
        """Have one kept, or let go with the others of its run."""
        return read(self._asked("PUT", which, {"pinned": pinned}))

    def remove(self, which: str) -> Version:
        """Have one let go; give what it was."""
        return read(self._asked("DELETE", which))

    def _asked(self, method: str, which: str, given: Document | None = None) -> Document:
        path = f"/v1/namespaces/{quote(self._namespace, safe='')}/versions"
        path += f"/{quote(which, safe='')}" if which else ""
        status, body = self._way.ask(method, path, None if given is None else json.dumps(given).encode())
        try:
            document = json.loads(body)
        except ValueError:
            document = {"message": body[:200].decode(errors="replace").strip()}
        if status != 200:  # noqa: PLR2004 - HTTP's own number
            raise raised(document if isinstance(document, dict) else {}, status)
        if not isinstance(document, dict):
            raise NotSupported("the timeline answers in other words than this rokctl knows")
        return document
