"""Follows the EndpointSlices of one Service: a list, then a watch from there, and a new list where that was too long ago.

While the API server is away the last known addresses stay: nodes do not vanish with it.
Whatever goes wrong, the thread goes on: nobody else would notice that nodes come and go.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from kubernetes import client, watch

from rokcsi.kube.connecting import ANSWER_SECONDS, CONNECT_SECONDS, FAILURES, told
from rokcsi.kube.endpoint_slices import addresses_of
from rokcsi.model.roster import NodeAddress

_GONE = 410
_WATCH_SECONDS = 300
_STEADY_SECONDS = 30.0  # a watch that lasted so long was a good one
_SILENT_SECONDS = 150.0  # the API server sends a bookmark about once a minute
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_log = logging.getLogger(__name__)


class SliceWatch:
    """A thread that keeps `addresses` up to date; None until the first list came."""

    def __init__(self, api: Any, namespace: str, service: str) -> None:
        self.addresses: frozenset[NodeAddress] | None = None
        self.why = "the Kubernetes API has not been asked yet"
        self._slices = client.DiscoveryV1Api(api)
        self._of = (namespace, f"kubernetes.io/service-name={service}")
        self._known: dict[str, Any] = {}
        self._version = ""
        self._watch = watch.Watch()
        self._ended = threading.Event()
        self._tell: Callable[[], None] = lambda: None

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to follow; `changed` is called after each change."""
        self._tell = changed
        threading.Thread(target=self._run, name="endpoint-slices", daemon=True).start()

    def stop(self) -> None:
        """Stop following."""
        self._ended.set()
        self._watch.stop()

    def listed(self) -> frozenset[NodeAddress]:
        """Ask for the addresses of now; raises what the client raises."""
        self._list()
        return self.addresses or frozenset()

    def _run(self) -> None:
        pauses = _pauses()
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                if not self._version:
                    self._list()
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
        self.why = f"the Kubernetes API does not answer: {told(error)}"
        expected = isinstance(error, FAILURES)
        _log.warning("cannot follow the nodes", extra={"error": told(error)}, exc_info=None if expected else error)

    def _list(self) -> None:
        namespace, selector = self._of
        found = self._slices.list_namespaced_endpoint_slice(
            namespace, label_selector=selector, _request_timeout=(CONNECT_SECONDS, ANSWER_SECONDS)
        )
        self._known = {each.metadata.name: each for each in found.items}
        self._version = found.metadata.resource_version
        self._publish()

    def _follow(self) -> None:
        """Take over changes until the API server ends the watch, as it does every few minutes."""
        namespace, selector = self._of
        events = self._watch.stream(
            self._slices.list_namespaced_endpoint_slice,
            namespace,
            label_selector=selector,
            resource_version=self._version,
            allow_watch_bookmarks=True,
            timeout_seconds=_WATCH_SECONDS,
            _request_timeout=(CONNECT_SECONDS, _SILENT_SECONDS),
        )
        for event in events:
            self._take(event["type"], event["object"])
            self._version = event["raw_object"]["metadata"]["resourceVersion"]

    def _take(self, kind: str, changed: Any) -> None:
        if kind == "BOOKMARK":  # says only how far the watch has come; the client makes no object of it
            return
        if kind == "DELETED":
            self._known.pop(changed.metadata.name, None)
        else:
            self._known[changed.metadata.name] = changed
        self._publish()

    def _publish(self) -> None:
        now = addresses_of(self._known.values())
        if now != self.addresses:
            self.addresses = now
            self._tell()


def _pauses() -> Iterator[float]:
    """Give ever longer pauses, each a little by chance, so that not all come back at once."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
