"""Follows one kind of object: a list, then a watch from there, and a new list where that was too long ago.

While the API server is away what is known stays. Whatever goes wrong, the thread goes on:
nobody else would notice that something changes.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from kubernetes import watch

from rokcsi.kube.connecting import ANSWER_SECONDS, CONNECT_SECONDS, FAILURES, told

Object = Mapping[str, Any]
_GONE = 410
_PAGE = 500
_WATCH_SECONDS = 300
_STEADY_SECONDS = 30.0  # a watch that lasted so long was a good one
_SILENT_SECONDS = 150.0  # the API server sends a bookmark about once a minute
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_log = logging.getLogger(__name__)


class Takes(Protocol):
    """Whoever wants to know; called by one thread, with objects as the API server sent them."""

    def listed(self, objects: Iterator[Object]) -> None:
        """Take all that is there; what is not among it has gone. They come page by page: there may be very many."""

    def changed(self, changed: Object) -> None:
        """Take an object that is new, or has changed."""

    def gone(self, gone: Object) -> None:
        """Take note that an object is no more, or no more of those that are followed."""


class Following:
    """A thread that keeps `takes` up to date; `why_not` says why nothing is known, until the first list came."""

    def __init__(self, what: str, method: Any, takes: Takes, **selectors: str) -> None:
        self.why_not: str | None = f"the {what} have not been listed yet"
        self._what = what
        self._method = method
        self._takes = takes
        self._selectors = selectors
        self._version = ""
        self._listed_at = ""
        self._watch = _Watch()
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to follow."""
        threading.Thread(target=self._run, name=f"follow-{self._what}", daemon=True).start()

    def stop(self) -> None:
        """Stop following."""
        self._ended.set()
        self._watch.stop()

    def list_now(self) -> None:
        """Take over what there is; raises what the client raises."""
        self._takes.listed(self._there())
        self._version = self._listed_at
        self.why_not = None

    def _there(self) -> Iterator[Object]:
        """Give what there is, asking for each page when the one before it was taken."""
        token = ""
        while True:
            answer = self._method(
                limit=_PAGE,
                _continue=token,
                _preload_content=False,
                _request_timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                **self._selectors,
            )
            page = json.loads(answer.data)
            yield from page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                self._listed_at = page["metadata"]["resourceVersion"]
                return

    def _run(self) -> None:
        pauses = _pauses()
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                if not self._version:
                    self.list_now()
                self._follow()
            except Exception as error:  # noqa: BLE001 - the client raises what it likes, and this thread must not end
                self._version = ""
                self._say(error)
            if time.monotonic() - began > _STEADY_SECONDS:
                pauses = _pauses()
            self._ended.wait(next(pauses))

    def _say(self, error: Exception) -> None:
        if getattr(error, "status", None) == _GONE or self._ended.is_set():
            return
        if self.why_not is not None:
            self.why_not = f"the {self._what} cannot be listed: {told(error)}"
        expected = isinstance(error, FAILURES)
        text = {"what": self._what, "error": told(error)}
        _log.warning("cannot follow the cluster", extra=text, exc_info=None if expected else error)

    def _follow(self) -> None:
        """Take over changes until the API server ends the watch, as it does every few minutes."""
        events = self._watch.stream(
            self._method,
            resource_version=self._version,
            allow_watch_bookmarks=True,
            timeout_seconds=_WATCH_SECONDS,
            _request_timeout=(CONNECT_SECONDS, _SILENT_SECONDS),
            **self._selectors,
        )
        for event in events:
            self._take(event["type"], event["object"])
            self._version = event["object"]["metadata"]["resourceVersion"]

    def _take(self, kind: str, changed: Object) -> None:
        match kind:
            case "BOOKMARK":  # says only how far the watch has come
                return
            case "DELETED":
                self._takes.gone(changed)
            case _:
                self._takes.changed(changed)


class _Watch(watch.Watch):  # type: ignore[misc]  # the client has no types
    """The client's watch, which gives objects as they were sent.

    Its own `deserialize=False` cannot tell of an ERROR event: instead of the API server's refusal
    (410, mostly) a KeyError comes out (kubernetes 37).
    """

    def get_return_type(self, func: Any) -> str:
        """Give no type: nothing is made of the objects then."""
        del func
        return ""


def _pauses() -> Iterator[float]:
    """Give ever longer pauses, each a little by chance, so that not all come back at once."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
