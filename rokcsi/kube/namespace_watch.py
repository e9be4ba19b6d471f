"""Watches namespaces go: what was kept of them goes with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kubernetes import client

from rokcsi.kube.following import Following, Object


def namespace_watch(api: Any, gone: Callable[[str], None]) -> Following:
    """Give what follows them; `gone` hears the name of each that goes while it is followed. Nothing is started."""
    return Following("namespaces", client.CoreV1Api(api).list_namespace, _Namespaces(gone))


class _Namespaces:
    def __init__(self, gone: Callable[[str], None]) -> None:
        self._gone = gone
        self._there: set[str] = set()

    def listed(self, objects: Iterator[Object]) -> None:
        before, self._there = self._there, {each["metadata"]["name"] for each in objects}
        for name in sorted(before - self._there):
            self._gone(name)

    def changed(self, changed: Object) -> None:
        self._there.add(changed["metadata"]["name"])

    def gone(self, gone: Object) -> None:
        self._there.discard(gone["metadata"]["name"])
        self._gone(gone["metadata"]["name"])
