"""Volumes for claims with a `rok/origin`: clones, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.status import Refusal, Relayed
from rokcsi.model.claims import NamespacedName
from rokcsi.model.errors import RosterAway, TimelineAway
from rokcsi.switchboard.claim_origins import ClaimOrigins, NoTimeline
from tests.fakes.certificates import Authority
from tests.fakes.csi_caller import Refused
from tests.fakes.switchboards import FakeCluster, fake_cluster

PARAMETERS = {"csi.storage.k8s.io/pvc/name": "work", "csi.storage.k8s.io/pvc/namespace": "team-a"}
CLAIM = NamespacedName("team-a", "work")
ORIGIN = "/rok/swift/v1/team-a/train/train-1_work?version=0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11"


@dataclass
class Told:
    """The claims' annotations, and what the timeline says of them."""

    written: dict[NamespacedName, str] = field(default_factory=dict)
    snapshots: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    asked: list[tuple[NamespacedName, str, float]] = field(default_factory=list)
    read: list[NamespacedName] = field(default_factory=list)

    def origin_of(self, claim: NamespacedName) -> str:
        self.read.append(claim)
        return self.written.get(claim, "")

    def snapshot_for(self, claim: NamespacedName, origin: str, seconds: float) -> str:
        self.asked.append((claim, origin, seconds))
        if self.error is not None:
            raise self.error
        return self.snapshots[origin]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def cluster(folder: Path, authority: Authority, told: Told) -> Iterator[FakeCluster]:
    with fake_cluster(folder, authority, origins=ClaimOrigins(told, told)) as served:
        yield served


def test_an_annotated_claim_becomes_a_clone_on_the_node_of_its_source(cluster: FakeCluster, told: Told) -> None:
    source = cluster.snapshot(cluster.volume("source").volume_id).snapshot_id
    told.written[CLAIM], told.snapshots[ORIGIN] = ORIGIN, source
    made = cluster.volume("pvc-1", parameters=PARAMETERS)
    assert made.content_source.snapshot.snapshot_id == source
    assert cluster.of(made.volume_id) is cluster.of(source)
    assert cluster.volume("pvc-1", parameters=PARAMETERS) == made
    claim, origin, seconds = told.asked[0]
    assert (claim, origin) == (CLAIM, ORIGIN)
    assert 0 < seconds <= 10


def test_a_claim_without_the_annotation_costs_the_timeline_nothing(cluster: FakeCluster, told: Told) -> None:
    made = cluster.volume("pvc-1", parameters=PARAMETERS)
    assert not made.HasField("content_source")
    assert told.read == [CLAIM]
    assert not told.asked


def test_a_volume_that_is_made_for_no_claim_is_not_looked_up(cluster: FakeCluster, told: Told) -> None:
    cluster.volume("plain")
    assert not told.read


def test_a_source_that_the_claim_names_itself_counts(cluster: FakeCluster, told: Told) -> None:
    source = cluster.volume("source").volume_id
    told.written[CLAIM] = ORIGIN
    content = csi.VolumeContentSource(volume=csi.VolumeContentSource.VolumeSource(volume_id=source))
    made = cluster.volume("pvc-1", parameters=PARAMETERS, volume_content_source=content)
    assert made.content_source.volume.volume_id == source
    assert not told.asked


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimelineAway("nobody can say"), grpc.StatusCode.UNAVAILABLE),
        (RosterAway("the API is away"), grpc.StatusCode.UNAVAILABLE),
        (Relayed(Refusal(grpc.StatusCode.PERMISSION_DENIED, "granted nothing")), grpc.StatusCode.PERMISSION_DENIED),
        (Relayed(Refusal(grpc.StatusCode.NOT_FOUND, "no version")), grpc.StatusCode.NOT_FOUND),
    ],
)
def test_where_nobody_can_say_what_it_is_no_empty_volume_is_made(
    cluster: FakeCluster, told: Told, error: Exception, code: grpc.StatusCode
) -> None:
    told.written[CLAIM], told.error = ORIGIN, error
    with pytest.raises(Refused) as refused:
        cluster.volume("pvc-1", parameters=PARAMETERS)
    assert refused.value.code is code
    assert not any(node.pool.volumes() for node in cluster.nodes)


def test_a_handle_that_is_no_snapshot_of_ours_makes_nothing(cluster: FakeCluster, told: Told) -> None:
    told.written[CLAIM], told.snapshots[ORIGIN] = ORIGIN, "s-nonsense"
    with pytest.raises(Refused) as refused:
        cluster.volume("pvc-1", parameters=PARAMETERS)
    assert refused.value.code is grpc.StatusCode.NOT_FOUND


def test_without_a_timeline_an_annotated_claim_gets_no_volume_rather_than_an_empty_one(
    folder: Path, authority: Authority, told: Told
) -> None:
    told.written[CLAIM] = ORIGIN
    with fake_cluster(folder, authority, origins=ClaimOrigins(told, NoTimeline())) as cluster:
        with pytest.raises(Refused) as refused:
            cluster.volume("pvc-1", parameters=PARAMETERS)
        assert refused.value.code is grpc.StatusCode.UNAVAILABLE
        assert "checkpoints.enabled" in refused.value.message
        assert not any(node.pool.volumes() for node in cluster.nodes)
        assert cluster.volume("pvc-2").volume_id
