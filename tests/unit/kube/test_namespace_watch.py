"""Namespaces that go, with the real client."""

from __future__ import annotations

from typing import Any

from rokcsi.kube.namespace_watch import namespace_watch
from tests.fakes.api_server import ApiState
from tests.fakes.patience import eventually

HOME = "/api/v1/namespaces"


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


def test_a_namespace_that_goes_is_told_of_also_one_that_went_unseen(served: tuple[ApiState, Any]) -> None:
    api, client = served
    gone: list[str] = []
    for name in ("stays", "goes", "unseen"):
        api.have(f"{HOME}/{name}", named(name))
    watch = namespace_watch(client, gone.append)
    watch.start()
    eventually(lambda: bool(api.watchers))
    api.have(f"{HOME}/late", named("late"))
    for name in ("goes", "late"):
        api.delete(f"{HOME}/{name}")
    eventually(lambda: gone == ["goes", "late"])
    with api.lock:
        del api.things[f"{HOME}/unseen"]
        api.forget_history()
    eventually(lambda: gone == ["goes", "late", "unseen"])
    watch.stop()
