"""A claim's way through admission in one process: API server, real client, real directory and node, over their real wires."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from prometheus_client import CollectorRegistry

from rokcsi.config.settings import AdmissionSettings
from rokcsi.kube.claims import KubernetesClaims
from rokcsi.model.claims import NamespacedName
from rokcsi.model.errors import SourceNotAllowed
from rokcsi.observe.timeline_metrics import TimelineMetrics
from rokcsi.switchboard.pool_places import PoolPlaces
from rokcsi.web.admission import PATH
from rokcsi.wiring.admission import serve_admission
from tests.fakes.api_server import ApiState, api_server
from tests.fakes.certificates import Authority
from tests.fakes.kube_objects import CONTENTS, SNAPSHOTS, a_claim, a_content, a_review, a_snapshot
from tests.fakes.switchboards import DRIVER, FakeCluster, fake_cluster

CLASS = {"metadata": {"name": "rokcsi"}, "provisioner": DRIVER, "volumeBindingMode": "WaitForFirstConsumer"}
NODE = "volume.kubernetes.io/selected-node"


class GrantedOrigins:
    """Knows one origin of the namespace `work`."""

    def __init__(self, handle: str) -> None:
        self.handle = handle

    def snapshot_for(self, claim: NamespacedName, origin: str) -> str:
        if (claim.namespace, origin) != ("work", "https://rok/x"):
            raise SourceNotAllowed(f"nothing is granted to {claim.namespace}")
        return self.handle


@dataclass
class World:
    """Two nodes, a snapshot on the second, a timeline's door."""

    api: ApiState
    cluster: FakeCluster
    address: str
    registry: CollectorRegistry

    def asked(self, claim: dict[str, Any], **request: Any) -> str:
        """Have the API server ask; give the node of the patch."""
        body = json.dumps(a_review(claim, **request)).encode()
        context = ssl._create_unverified_context()
        with urlopen(Request(f"https://{self.address}{PATH}", body), context=context, timeout=20) as answer:
            response = json.loads(answer.read())["response"]
        assert response["allowed"] is True
        patch = json.loads(base64.b64decode(response.get("patch", ""))) if "patch" in response else []
        return "".join(each["value"] if isinstance(each["value"], str) else each["value"][NODE] for each in patch)

    def counted(self, outcome: str) -> float | None:
        return self.registry.get_sample_value("rokcsi_clones_at_creation_total", {"outcome": outcome})


@pytest.fixture
def world(tmp_path: Path, authority: Authority) -> Iterator[World]:
    with ExitStack() as parts:
        api, client = parts.enter_context(api_server())
        cluster = parts.enter_context(fake_cluster(tmp_path, authority, size=2))
        handle = f"s-{cluster.nodes[1].pool.id}-{'0' * 32}"
        api.have("/apis/storage.k8s.io/v1/storageclasses/rokcsi", dict(CLASS))
        api.have(f"{SNAPSHOTS}/before", a_snapshot("before", content="c1"))
        api.have(f"{CONTENTS}/c1", a_content("c1", of="before", handle=handle))
        files, registry = authority.issue("rok-timeline.rokcsi-system.svc"), CollectorRegistry()
        claims = KubernetesClaims(client, DRIVER, GrantedOrigins(handle))
        settings = AdmissionSettings("127.0.0.1:0", str(files.certificate), str(files.key))
        places = PoolPlaces(cluster.directory)
        address = serve_admission(settings, claims, places, TimelineMetrics(registry), parts)
        yield World(api, cluster, address, registry)


def test_a_clone_goes_to_the_node_of_its_snapshot_before_there_is_its_claim(world: World) -> None:
    assert world.asked(a_claim("again")) == "node-2"
    assert world.asked(a_claim("again", annotations={"mine": "stays"})) == "node-2"
    assert world.counted("placed") == 2
    assert not [path for path in world.api.things if "/events/" in path]


def test_an_origin_is_heard_by_the_rules_of_the_namespace_that_asks(world: World) -> None:
    claim = a_claim("again", source=None, annotations={"rok/origin": "https://rok/x"})
    assert world.asked(claim) == "node-2"
    assert world.asked(claim, namespace="theirs") == ""
    assert world.counted("source_refused") == 1


def test_a_snapshot_whose_content_is_another_ones_is_left_to_be_refused_later(world: World) -> None:
    world.api.have(f"{CONTENTS}/c1", a_content("c1", of="before", handle="s-1", uid="somebody elses"))
    assert world.asked(a_claim("again")) == ""
    assert world.counted("source_refused") == 1


def test_while_the_node_or_its_snapshot_is_away_claims_are_made_without(world: World) -> None:
    world.cluster.nodes[1].leave()
    world.cluster.roster.set(world.cluster.nodes[0].address)
    assert world.asked(a_claim("again")) == ""
    world.api.delete(f"{SNAPSHOTS}/before")
    assert world.asked(a_claim("again")) == ""
    assert world.counted("source_not_ready") == 1


def test_a_class_of_another_driver_is_left_alone(world: World) -> None:
    world.api.have("/apis/storage.k8s.io/v1/storageclasses/rokcsi", {**CLASS, "provisioner": "other.example.com"})
    assert world.asked(a_claim("again")) == ""
    assert world.counted("not_ours") == 1
