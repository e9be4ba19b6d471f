"""Checkpoints at the mount from end to end in one process: node, timeline, API server, all over their real wires.

Only the pool and the mounts are in memory. Whether the real kubelet asks in this order is
for the lab to show.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample
from typer.testing import CliRunner

from rokcsi.cli.rokctl import app
from rokcsi.config.roles import TimelineSettings, TlsFiles
from rokcsi.config.settings import CheckpointSettings
from rokcsi.csi.timeline_line import TimelineLine
from rokcsi.csi.tls_channel import tls_channel
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.claims import NamespacedName
from rokcsi.model.doorkeeper import POD_FACTS, Passage, PodAtDoor, Side
from rokcsi.model.errors import CatalogTaken, CheckpointFailed, TimelineAway
from rokcsi.model.ids import Handles, own_handle
from rokcsi.model.node import PublishRequest
from rokcsi.model.origin import Origin
from rokcsi.model.pool import Pool
from rokcsi.model.visits import version_at_door
from rokcsi.observe.timeline_metrics import TimelineMetrics
from rokcsi.volumes.doors import AskingDoors, DoorRules, FailurePolicy
from rokcsi.wiring.checkpoints import Checkpoints, serve_checkpoints
from tests.fakes.api_server import ApiState, api_server
from tests.fakes.certificates import Authority
from tests.fakes.csi_driver import RememberedCalls
from tests.fakes.kube_objects import CLAIMS, CONTENTS, PODS, SNAPSHOTS, VOLUMES, a_claim, a_volume
from tests.fakes.memory_mounter import MemoryMounter
from tests.fakes.node_house import SHARED, NodeHouse
from tests.fakes.patience import eventually
from tests.fakes.switchboards import CONTROLLER, NODES, FakeCluster, fake_cluster

HOME = "/api/v1/namespaces/work"
JOB = {"job-name": "train", "controller-uid": "0123456789"}


@dataclass
class World:
    """One node with its kubelet's calls, a timeline, an API server."""

    api: ApiState
    address: str
    cluster: FakeCluster
    house: NodeHouse
    line: TimelineLine
    server: Checkpoints
    again: Callable[[], Checkpoints]
    authority: Authority
    registries: list[CollectorRegistry]

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

    def pool(self) -> Pool:
        return self.cluster.nodes[0].pool

    def events(self) -> list[str]:
        return [body["reason"] for path, body in self.api.things.items() if path.startswith(f"{HOME}/events/")]


@pytest.fixture
def world(tmp_path: Path, authority: Authority) -> Iterator[World]:
    with ExitStack() as parts:
        api, client = parts.enter_context(api_server())
        api.have(HOME, {"metadata": {"name": "work", "creationTimestamp": "2026-01-01T00:00:00Z"}})
        (tmp_path / "run").mkdir()
        cluster = parts.enter_context(fake_cluster(tmp_path / "run", authority, size=1))
        files = authority.issue(CONTROLLER)
        tls = TlsFiles(str(files.certificate), str(files.key), str(files.authorities))
        checkpoints = CheckpointSettings(None, 10.0, "ignore", str(tmp_path / "catalogs"), 5, None, 0.7, "127.0.0.1:0")
        settings = TimelineSettings(
            "rokcsi.dev", None, "info", "text", "static:x", NODES, CONTROLLER, "127.0.0.1:0", tls, checkpoints, None
        )

        registries: list[CollectorRegistry] = []

        def serve() -> Checkpoints:
            registries.append(CollectorRegistry())
            log = TimelineMetrics(registries[-1])
            return serve_checkpoints(settings, cluster.directory, client, RememberedCalls(), log, parts)

        served = serve()
        line = TimelineLine(tls_channel(served.endpoint, authority.issue(NODES).read(), CONTROLLER))
        parts.callback(line.close)
        (tmp_path / "kubelet").mkdir()
        doors = AskingDoors(line, DoorRules(5.0, FailurePolicy.FAIL))
        house = NodeHouse(
            cluster.nodes[0].pool, MemoryMounter(), tmp_path / "kubelet", tmp_path / "records", doors=doors
        )
        yield World(api, client.configuration.host, cluster, house, line, served, serve, authority, registries)


def test_a_job_of_two_volumes_is_checkpointed_before_and_after_as_kubelet_mounts_it(world: World) -> None:
    work, data = world.claim("work"), world.claim("data")
    world.pod("train-1", ["work", "data"])
    for volume in (work, data, work):
        world.publish(volume, "train-1")
    pool = world.pool()
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
    versions = again.shelves.of("work").versions
    eventually(lambda: len(versions.list(VersionFilter())) == 2, 60, every=0.05)
    assert versions.list(VersionFilter())[1].late


def test_a_timeline_that_has_lost_its_volume_finds_the_checkpoints_in_the_pools(world: World, tmp_path: Path) -> None:
    volume = world.claim("work")
    world.pod("train-1", ["work"])
    world.publish(volume, "train-1")
    world.pod("train-1", ["work"], "Failed", 137)
    world.unpublish(volume, "train-1")
    known = world.server.shelves.of("work").versions.list(VersionFilter())
    world.server.stop()
    shutil.rmtree(tmp_path / "catalogs")
    catalog = world.again().shelves.of("work")
    found = catalog.versions.list(VersionFilter())
    assert [each.id for each in found] == [each.id for each in known]
    assert [each.members for each in found] == [each.members for each in known]
    assert [each.reason.exit_status for each in found] == [None, 137]
    [attempt] = catalog.runs.get("train-01234567").steps[0].attempts
    assert (attempt.pod, attempt.exit_status, attempt.mounts[0].volume) == ("train-1", 137, volume)


def test_one_unreadable_catalogue_keeps_its_own_namespace_waiting_and_nobody_else(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rokcsi.timeline.agenda.UNREADABLE_SECONDS", 0.1)
    monkeypatch.setattr("rokcsi.timeline.rebuilding.LOOK_AGAIN_SECONDS", 0.1)
    volume = world.claim("work")
    world.pod("train-1", ["work"])
    world.publish(volume, "train-1")
    world.server.stop()
    garbage, catalogs = b"something else altogether" * 99, tmp_path / "catalogs"
    mine, others = catalogs / "work.sqlite", catalogs / "other.sqlite"
    for each in (mine, others):
        each.write_bytes(garbage)
    again = world.again()
    assert {each.labels["namespace"] for each in unreadable(world)} == {"work", "other"}
    line = TimelineLine(tls_channel(again.endpoint, world.authority.issue(NODES).read(), CONTROLLER))
    world.house.doors = AskingDoors(line, DoorRules(5.0, FailurePolicy.FAIL))
    world.house.restart()
    world.pod("train-2", ["work"])
    with pytest.raises(CheckpointFailed, match="nothing is known of the checkpoints of the namespace work"):
        world.publish(volume, "train-2")
    assert world.events() == ["CheckpointTaken", "CheckpointFailed"]
    assert len(world.pool().snapshots()) == 1
    assert [each.read_bytes() for each in (mine, others)] == [garbage, garbage]
    mine.rename(tmp_path / "work.damaged")
    eventually(lambda: [each.labels["namespace"] for each in unreadable(world)] == ["other"], 60)
    versions = again.shelves.of("work").versions
    eventually(lambda: [each.id for each in versions.list(VersionFilter())] == [before_of("train-1")], 60)
    world.publish(volume, "train-2")
    assert [each.id for each in versions.list(VersionFilter())] == [before_of("train-1"), before_of("train-2")]
    line.close()


def before_of(pod: str) -> str:
    return version_at_door(f"uid-{pod}", Side.BEFORE)


def unreadable(world: World) -> list[Sample]:
    """Give what the newest timeline counts as unreadable."""
    gauges = [each for each in world.registries[-1].collect() if each.name == "rokcsi_catalog_unreadable"]
    return gauges[0].samples


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


def test_a_snapshot_with_an_origin_gets_the_content_of_that_checkpoint(world: World) -> None:
    work = world.claim("work")
    world.pod("train-1", ["work"])
    world.publish(work, "train-1")
    version = version_at_door("uid-train-1", Side.BEFORE)
    source = {"source": {"volumeSnapshotContentName": "rokcsi.work.before"}}
    metadata = {"namespace": "work", "name": "before", "uid": "u1", "annotations": {"rok/origin": version}}
    world.api.have(f"{SNAPSHOTS}/before", {"metadata": metadata, "spec": source})
    place = f"{CONTENTS}/rokcsi.work.before"
    eventually(lambda: place in world.api.things)
    handle = world.api.things[place]["spec"]["source"]["snapshotHandle"]
    assert own_handle(handle) in {Handles(world.pool().id).of_snapshot(each.id) for each in world.pool().snapshots()}
    world.api.delete(f"{SNAPSHOTS}/before")
    eventually(lambda: place not in world.api.things)
    assert len(world.pool().snapshots()) == 1


def test_the_checkpoints_of_a_namespace_go_when_it_does(world: World) -> None:
    work = world.claim("work")
    world.pod("train-1", ["work"])
    world.publish(work, "train-1")
    assert world.pool().snapshots()
    eventually(lambda: "/api/v1/namespaces" in {path for path, _ in world.api.watchers})
    world.api.delete(HOME)
    eventually(lambda: not world.pool().snapshots())


class TestPeople:
    """Users of the cluster, with `rokctl` and its real way through the API server."""

    @pytest.fixture
    def rokctl(self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
        world.api.tokens = {"token-of-ann": "ann", "token-of-eve": "eve"}
        verbs = (("get", "pods"), ("create", "volumesnapshots"), ("delete", "volumesnapshots"))
        world.api.rights = {("ann", verb, resource, "work") for verb, resource in verbs}
        place = "/api/v1/namespaces/rokcsi-system/services/https:rok-timeline:people"
        world.api.services = {place: world.server.people}
        users = [{"name": user, "user": {"token": f"token-of-{user}"}} for user in ("ann", "eve")]
        contexts = [
            {"name": user, "context": {"cluster": "lab", "user": user, "namespace": "work"}} for user in ("ann", "eve")
        ]
        cluster = {"name": "lab", "cluster": {"server": world.address}}
        config = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "users": users, "contexts": contexts}
        (tmp_path / "kubeconfig").write_text(json.dumps(config | {"current-context": "ann"}))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))

        def run(*words: str, of: str = "ann", status: int = 0) -> str:
            result = CliRunner().invoke(app, ["--context", of, *words])
            assert result.exit_code == status, result.output
            return result.output

        return run

    def test_a_state_is_taken_found_opened_kept_and_let_go(self, world: World, rokctl: Callable[..., str]) -> None:
        world.claim("work")
        world.claim("data")
        world.pod("lab-0", ["work", "data"], "Running")
        world.api.things[f"{PODS}/lab-0"]["spec"]["containers"][0]["image"] = "notebook:1"
        taken = rokctl("checkpoint", "lab-0", "-m", "why").split()[0]
        assert rokctl("get", "versions", "-o", "name").strip() == taken
        assert len(world.cluster.nodes[0].pool.snapshots()) == 2
        assert "notebook:1" in rokctl("describe", taken)
        address = rokctl("url", taken.partition("/")[2][:8]).strip()
        manifest = list(yaml.safe_load_all(rokctl("restore", address, "--as", "again", "--manifest")))
        assert [each["metadata"]["name"] for each in manifest] == ["again-work", "again-data", "again"]
        assert f"{CLAIMS}/again-work" not in world.api.things
        rokctl("restore", address, "--as", "again", "--", "jupyter", "lab")
        made = world.api.things[f"{PODS}/again"]
        assert made["spec"]["containers"][0]["command"] == ["jupyter", "lab"]
        origin = world.api.things[f"{CLAIMS}/again-data"]["metadata"]["annotations"]["rok/origin"]
        assert world.server.origins.snapshot_for(NamespacedName("work", "again-data"), origin)
        world.api.delete(f"{CLAIMS}/again-work")
        assert "there is the PersistentVolumeClaim again-data" in rokctl("restore", taken, "--as", "again", status=4)
        assert f"{CLAIMS}/again-work" not in world.api.things
        rokctl("pin", taken)
        assert "pinned" in rokctl("delete", taken, "--yes", status=5)
        rokctl("unpin", taken)
        rokctl("delete", taken, "--yes")
        assert not world.cluster.nodes[0].pool.snapshots()

    def test_somebody_without_rights_is_told_so(self, world: World, rokctl: Callable[..., str]) -> None:
        world.claim("work")
        world.pod("lab-0", ["work"], "Running")
        assert "eve may not create volumesnapshots in the namespace work" in rokctl(
            "checkpoint", "lab-0", of="eve", status=8
        )
        assert "eve may not get pods" in rokctl("get", "versions", of="eve", status=8)
        world.api.tokens.clear()
        assert "does not know this token" in rokctl("get", "versions", status=8)
        assert not world.cluster.nodes[0].pool.snapshots()

    def test_a_catalogue_that_cannot_be_read_is_told_with_what_to_do(
        self, world: World, rokctl: Callable[..., str], tmp_path: Path
    ) -> None:
        world.claim("work")
        world.pod("lab-0", ["work"], "Running")
        rokctl("checkpoint", "lab-0")
        world.server.stop()
        (tmp_path / "catalogs" / "work.sqlite").write_bytes(b"something else altogether" * 99)
        [place] = world.api.services
        world.api.services[place] = world.again().people
        for words in (["get", "versions"], ["checkpoint", "lab-0"]):
            told = " ".join(rokctl(*words, status=1).split())
            assert "nothing is known of the checkpoints of the namespace work, which stay where they are" in told
            assert "finds in the documentation how it is mended: A catalogue cannot be read" in told
        assert len(world.pool().snapshots()) == 1

    def test_what_is_not_to_be_had_of_a_cluster_is_told(self, world: World, rokctl: Callable[..., str]) -> None:
        assert "rokctl knows checkpoints" in rokctl("get", "notebooks", status=8)
        assert "leave --context out" in rokctl("retain", "--keep-last", "1", status=8)
        assert "no way into the cluster nowhere" in rokctl("get", "versions", of="nowhere", status=2)
        world.api.services = {}
        assert "no timeline that answers people" in rokctl("get", "versions", status=7)


def test_a_hundred_pods_that_wait_for_their_turn_keep_no_other_namespace_waiting(world: World) -> None:
    def leaves(namespace: str, name: str) -> Passage:
        return Passage(PodAtDoor(namespace, name, f"uid-{name}"), Side.AFTER, f"v-{'0' * 32}-{'1' * 32}")

    alone = vars(vars(world.server)["_providing"])["_alone"]
    with ThreadPoolExecutor(100) as kubelets:
        with alone("work"):  # as while a node that hangs is asked for a cut
            waiting = [
                kubelets.submit(world.line.asked, leaves("work", f"p-{number}"), 30.0, patient=True)
                for number in range(100)
            ]
            eventually(
                lambda: vars(alone.__self__)["_turns"].waiting >= 64
            )  # as many workers as a server has elsewhere
            world.line.asked(leaves("other", "lonely"), 10.0, patient=True)
            assert not any(each.done() for each in waiting)
        for each in waiting:
            each.result(30.0)
