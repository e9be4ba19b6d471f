"""From what the API server says to a claim that is stamped: watches, desk and claims together, with the real client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rokcsi.kube.claim_watch import claim_watches
from rokcsi.kube.claims import KubernetesClaims
from rokcsi.kube.owner_events import OwnerEvents
from rokcsi.timeline import desk as module
from rokcsi.timeline.desk import Desk
from tests.fakes.api_server import ApiState, api_server
from tests.fakes.claims import HANDLE, POOL, CountedPlacements, KnownPlaces
from tests.fakes.kube_objects import CLAIMS, CONTENTS, PODS, SNAPSHOTS, a_claim, a_content, a_pod, a_snapshot
from tests.fakes.patience import eventually

NODE = "volume.kubernetes.io/selected-node"
CLASS = {"metadata": {"name": "rokcsi"}, "provisioner": "rokcsi.dev", "volumeBindingMode": "WaitForFirstConsumer"}
READY = {"metadata": {"name": "here"}, "spec": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


class Timeline:
    """A timeline that follows a served API."""

    def __init__(self, api: ApiState, client: Any) -> None:
        self.api, self.places, self.log = api, KnownPlaces({POOL: "here"}), CountedPlacements()
        self.desk = Desk(KubernetesClaims(client, "rokcsi.dev"), self.places, OwnerEvents(client, "timeline"), self.log)
        self.watches = claim_watches(client, self.desk)

    def node_of(self, name: str) -> str:
        return str((self.api.things[f"{CLAIMS}/{name}"]["metadata"].get("annotations") or {}).get(NODE, ""))

    def events(self) -> set[str]:
        return {each["reason"] for path, each in list(self.api.things.items()) if "/events/" in path}


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    with api_server() as (api, client):
        made = Timeline(api, client)
        api.have("/apis/storage.k8s.io/v1/storageclasses/rokcsi", dict(CLASS))
        api.have("/api/v1/nodes/here", dict(READY))
        api.have(f"{SNAPSHOTS}/before", a_snapshot("before", content="c1"))
        api.have(f"{CONTENTS}/c1", a_content("c1", of="before", handle=HANDLE))
        api.have(f"{CLAIMS}/old", a_claim("old"))
        made.desk.start()
        for each in made.watches:
            each.start()
        yield made
        for each in made.watches:
            each.stop()
        made.desk.stop()


def test_claims_that_were_there_and_claims_that_come_get_their_node(timeline: Timeline) -> None:
    eventually(lambda: timeline.node_of("old") == "here")
    assert all(each.why_not is None for each in timeline.watches[:1])
    timeline.api.have(f"{CLAIMS}/new", a_claim("new"))
    eventually(lambda: timeline.node_of("new") == "here")
    eventually(lambda: timeline.log.counted == {"placed": 2})


def test_what_the_scheduler_or_the_provisioner_change_is_corrected(timeline: Timeline) -> None:
    eventually(lambda: timeline.node_of("old") == "here")
    timeline.api.have(f"{CLAIMS}/old", a_claim("old", annotations={NODE: "elsewhere"}))
    eventually(lambda: timeline.node_of("old") == "here")
    timeline.api.have(f"{CLAIMS}/old", a_claim("old"))
    eventually(lambda: timeline.node_of("old") == "here")
    eventually(lambda: timeline.log.counted == {"placed": 2, "corrected": 1})


def test_a_claim_that_has_its_volume_or_is_gone_waits_no_more(timeline: Timeline) -> None:
    timeline.api.have(f"{CLAIMS}/new", a_claim("new"))
    eventually(lambda: timeline.desk.waiting() == 2)
    timeline.api.have(f"{CLAIMS}/old", a_claim("old", bound="pv1"))
    timeline.api.delete(f"{CLAIMS}/new")
    eventually(lambda: timeline.desk.waiting() == 0)


def test_claims_that_went_unseen_are_forgotten_with_the_next_list(timeline: Timeline) -> None:
    eventually(lambda: timeline.desk.waiting() == 1)
    with timeline.api.lock:
        timeline.api.things.pop(f"{CLAIMS}/old")
        timeline.api.forget_history()
    eventually(lambda: timeline.desk.waiting() == 0)


def test_an_empty_claim_is_no_business_of_ours(timeline: Timeline) -> None:
    eventually(lambda: timeline.node_of("old") == "here")
    timeline.api.have(f"{CLAIMS}/empty", a_claim("empty", source=None))
    timeline.api.have(f"{CLAIMS}/new", a_claim("new"))
    eventually(lambda: timeline.node_of("new") == "here")
    assert timeline.node_of("empty") == ""


def test_a_pod_that_cannot_reach_its_data_is_told_on_its_claim(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    eventually(lambda: timeline.node_of("old") == "here")
    eventually(lambda: len(timeline.api.watchers) == 2)
    timeline.api.have(f"{PODS}/trainer", a_pod("trainer", claims=["old"], why="0/2 nodes are available"))
    eventually(lambda: timeline.events() == {"PodCannotReachData"})
