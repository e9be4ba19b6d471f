"""Checkpoints at the mount from end to end in one process: node, timeline, API server, all over their real wires.

Only the pool and the mounts are in memory. Whether the real kubelet asks in this order is
for the lab to show.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rokcsi.config.roles import TimelineSettings, TlsFiles
from rokcsi.config.settings import CheckpointSettings
from rokcsi.csi.timeline_line import TimelineLine
from rokcsi.csi.tls_channel import tls_channel
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.claims import NamespacedName
from rokcsi.model.doorkeeper import POD_FACTS, Side
from rokcsi.model.errors import CatalogTaken, TimelineAway
from rokcsi.model.node import PublishRequest
from rokcsi.model.origin import Origin
from rokcsi.model.visits import version_at_door
from rokcsi.volumes.doors import AskingDoors, DoorRules, FailurePolicy
from rokcsi.wiring.checkpoints import Checkpoints, serve_checkpoints
from tests.fakes.api_server import ApiState, api_server
from tests.fakes.certificates import Authority
from tests.fakes.csi_driver import RememberedCalls
from tests.fakes.kube_objects import CLAIMS, PODS, VOLUMES, a_claim, a_volume
from tests.fakes.memory_mounter import MemoryMounter
from tests.fakes.node_house import SHARED, NodeHouse
from tests.fakes.switchboards import CONTROLLER, NODES, FakeCluster, fake_cluster

HOME = "/api/v1/namespaces/work"
JOB = {"job-name": "train", "controller-uid": "0123456789"}


@dataclass
class World:
    """One node with its kubelet's calls, a timeline, an API server."""

    api: ApiState
    cluster: FakeCluster
    house: NodeHouse
    line: TimelineLine
    server: Checkpoints
    again: Callable[[], Checkpoints]

    def claim(self, name: str) -> str:
        """Have a claim that wants checkpoints, with its volume staged; give the handle."""
        volume = self.cluster.volume(name).volume_id
        self.api.have(f"{VOLUMES}/pv-{name}", a_volume(f"pv-{name}", name, volume))
        wants = {"rokcsi.dev/checkpoints": "steps"}
        self.api.have(f"{CLAIMS}/{name}", a_claim(name, source=None, annotations=wants, bound=f"pv-{name}"))
        self.house.stage(volume, f"staging-{volume}", SHARED)
        return volume

    def pod(self, name: str, claims: list[str], phase: str = "Pending", exit_status: int | None = None) -> None:
        """Have a pod stand so."""
        state = {} if exit_status is None else {"terminated": {"exitCode": exit_status}}
        volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
        mounts = [{"name": each, "mountPath": f"/{each}"} for each in claims]
        self.api.have(
            f"{PODS}/{name}",
            {
                "metadata": {"namespace": "work", "name": name, "uid": f"uid-{name}", "labels": JOB},
                "spec": {"volumes": volumes, "containers": [{"name": "main", "volumeMounts": mounts}]},
                "status": {"phase": phase, "containerStatuses": [{"name": "main", "state": state}] if state else []},
            },
        )

    def publish(self, volume: str, pod: str) -> None:
        facts = dict(zip(POD_FACTS, (pod, "work", f"uid-{pod}", "default"), strict=True))
        staging, target = self.house.at(f"staging-{volume}"), self.house.at(f"{pod}-{volume}")
        self.house.node.publish(PublishRequest(volume, staging, target, SHARED, False, tuple(facts.items())))

    def unpublish(self, volume: str, pod: str) -> None:
        self.house.unpublish(volume, f"{pod}-{volume}")

    def events(self) -> list[str]:
        return [body["reason"] for path, body in self.api.things.items() if path.startswith(f"{HOME}/events/")]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def world(tmp_path: Path, authority: Authority) -> Iterator[World]:
    with ExitStack() as parts:
        api, client = parts.enter_context(api_server())
        api.have(HOME, {"metadata": {"name": "work", "creationTimestamp": "2026-01-01T00:00:00Z"}})
        (tmp_path / "run").mkdir()
        cluster = parts.enter_context(fake_cluster(tmp_path / "run", authority, size=1))
        files = authority.issue(CONTROLLER)
        tls = TlsFiles(str(files.certificate), str(files.key), str(files.authorities))
        checkpoints = CheckpointSettings(None, 10.0, "ignore", str(tmp_path / "catalogs"), 5, None, 0.7)
        settings = TimelineSettings(
            "rokcsi.dev", None, "info", "text", "static:x", NODES, CONTROLLER, "127.0.0.1:0", tls, checkpoints
        )

        def serve() -> Checkpoints:
            return serve_checkpoints(settings, cluster.directory, client, RememberedCalls(), parts)

        served = serve()
        line = TimelineLine(tls_channel(served.endpoint, authority.issue(NODES).read(), CONTROLLER))
        parts.callback(line.close)
        (tmp_path / "kubelet").mkdir()
        doors = AskingDoors(line, DoorRules(5.0, FailurePolicy.FAIL))
        house = NodeHouse(
            cluster.nodes[0].pool, MemoryMounter(), tmp_path / "kubelet", tmp_path / "records", doors=doors
        )
        yield World(api, cluster, house, line, served, serve)


def test_a_job_of_two_volumes_is_checkpointed_before_and_after_as_kubelet_mounts_it(world: World) -> None:
    work, data = world.claim("work"), world.claim("data")
    world.pod("train-1", ["work", "data"])
    for volume in (work, data, work):
        world.publish(volume, "train-1")
    pool = world.cluster.nodes[0].pool
    assert len(pool.snapshots()) == 2
    assert len({snapshot.group for snapshot in pool.snapshots()}) == 1
    world.pod("train-1", ["work", "data"], "Failed", 137)
    for volume in (data, work):
        world.unpublish(volume, "train-1")
    assert len(pool.snapshots()) == 4
    catalog = world.server.shelves.of("work")
    versions = catalog.versions.list(VersionFilter())
    assert [version.id for version in versions] == [version_at_door("uid-train-1", side) for side in Side]
    assert [version.reason.exit_status for version in versions] == [None, 137]
    assert [member.claim for member in versions[0].members] == ["work", "data"]
    assert world.events() == ["CheckpointTaken"] * 2
    [attempt] = catalog.runs.get("train-01234567").steps[0].attempts
    assert (attempt.exit_status, attempt.before, attempt.after) == (137, versions[0].id, versions[1].id)


def test_what_a_step_left_is_cloned_by_its_address(world: World) -> None:
    volume = world.claim("work")
    world.pod("train-1", ["work"])
    world.publish(volume, "train-1")
    [version] = world.server.shelves.of("work").versions.list(VersionFilter())
    address = str(Origin.of_member(version, version.members[0], namespace="work"))
    handle = world.server.origins.snapshot_for(NamespacedName("work", "again"), address)
    clone = world.cluster.volume("pvc-again", volume_content_source={"snapshot": {"snapshot_id": handle}})
    assert clone.content_source.snapshot.snapshot_id == handle


def test_a_pod_whose_volumes_ask_for_nothing_passes_and_nothing_is_kept(world: World) -> None:
    volume = world.claim("work")
    claim = a_claim("work", source=None, bound="pv-work")
    world.api.have(f"{CLAIMS}/work", claim)
    world.pod("plain", ["work"])
    world.publish(volume, "plain")
    world.unpublish(volume, "plain")
    assert not world.cluster.nodes[0].pool.snapshots()
    assert not world.server.shelves.namespaces()
    assert not world.events()


def test_a_timeline_that_was_away_for_the_beginning_says_so_at_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rokcsi.volumes.doors.LEFT_ALONE_SECONDS", 0.0)
    volume = world.claim("work")
    world.pod("train-1", ["work"])
    world.house.doors = AskingDoors(AwayOnce(world.line), DoorRules())
    world.house.restart()
    world.publish(volume, "train-1")
    assert world.house.mounter.mounted(world.house.at(f"train-1-{volume}"))
    world.pod("train-1", ["work"], "Succeeded", 0)
    world.unpublish(volume, "train-1")
    assert world.events() == ["CheckpointMissed", "CheckpointTaken"]


def test_a_start_takes_late_what_nobody_told_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = world.claim("work")
    world.pod("train-1", ["work"])
    world.publish(volume, "train-1")
    world.pod("train-1", ["work"], "Failed", 255)
    monkeypatch.setattr("rokcsi.timeline.settling.LEAVES_WITHIN", dt.timedelta())
    monkeypatch.setattr("rokcsi.wiring.checkpoints.FIRST_LOOK_SECONDS", 0.0)
    world.server.stop()
    again = world.again()
    until = time.monotonic() + 20
    while len(versions := again.shelves.of("work").versions.list(VersionFilter())) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert versions[1].late


def test_a_second_timeline_on_the_same_catalogues_ends_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rokcsi.catalog.namespaces._PATIENCE_SECONDS", 0.0)
    with pytest.raises(CatalogTaken, match="another timeline"):
        world.again()
    volume = world.claim("work")
    world.pod("train-1", ["work"])
    world.publish(volume, "train-1")
    assert world.events() == ["CheckpointTaken"]


class AwayOnce:
    """A line on which nobody answers the first question."""

    def __init__(self, line: TimelineLine) -> None:
        self._line = line
        self._away = True

    def asked(self, *question: Any, **manner: Any) -> None:
        if self._away:
            self._away = False
            raise TimelineAway("away")
        self._line.asked(*question, **manner)
