from __future__ import annotations

import dataclasses
import threading
from types import MappingProxyType

import grpc
import pytest

from rokcsi.local.cluster import LocalCluster
from rokcsi.model.errors import (
    Busy,
    DriverAway,
    InvalidRequest,
    PoolFull,
    RecordExists,
    RecordNotFound,
    SnapshotNotFound,
    StillInUse,
)
from rokcsi.model.sizes import Bytes
from tests.fakes.local_cluster import LocalWorld, claim, pod


def test_a_claim_is_a_volume_of_the_driver(world: LocalWorld, cluster: LocalCluster) -> None:
    made = cluster.create_claim(claim("work", labels=MappingProxyType({"team": "a"})))  # type: ignore[arg-type]  # any mapping will do
    assert made.volume in world.driver.volumes
    assert made.size == 1 << 30
    assert made.provisioning_seconds > 0
    assert made.labels == {"team": "a"}
    assert cluster.claim("work") == made
    assert cluster.claims() == [made]


def test_the_driver_is_told_the_claims_name_as_external_provisioner_does(
    world: LocalWorld, cluster: LocalCluster
) -> None:
    made = cluster.create_claim(claim("work"))
    request = world.driver.volumes[made.volume]
    assert request.parameters["csi.storage.k8s.io/pvc/name"] == "work"
    assert request.parameters["csi.storage.k8s.io/pvc/namespace"] == "default"
    assert request.parameters["csi.storage.k8s.io/pv/name"] == request.name
    assert request.volume_capabilities[0].mount.fs_type == "xfs"
    mode = request.volume_capabilities[0].access_mode
    assert mode.mode == type(mode).SINGLE_NODE_MULTI_WRITER


def test_asking_twice_gives_the_first_answer(world: LocalWorld, cluster: LocalCluster) -> None:
    first = cluster.create_claim(claim())
    assert world.cluster().create_claim(claim()) == first
    assert world.driver.methods() == ["CreateVolume"]


def test_a_claim_of_the_same_name_and_another_size_is_refused(cluster: LocalCluster) -> None:
    cluster.create_claim(claim())
    with pytest.raises(RecordExists, match="delete it first"):
        cluster.create_claim(claim(size=2 << 30))


def test_a_full_pool_leaves_no_record(world: LocalWorld, cluster: LocalCluster) -> None:
    with pytest.raises(PoolFull, match="the pool is full"):
        cluster.create_claim(claim(size=1 << 50))
    assert world.paths_left() == []


def test_a_missing_snapshot_is_told_by_name(cluster: LocalCluster) -> None:
    with pytest.raises(SnapshotNotFound):
        cluster.create_claim(claim(from_snapshot="s-gone"))


def test_a_busy_driver_is_asked_again(world: LocalWorld, cluster: LocalCluster) -> None:
    world.driver.refuse("CreateVolume", grpc.StatusCode.ABORTED, times=2)
    cluster.create_claim(claim())
    assert world.driver.methods() == ["CreateVolume"] * 3


def test_a_claim_whose_driver_stays_busy_can_be_deleted_and_leaks_nothing(
    world: LocalWorld, cluster: LocalCluster
) -> None:
    world.driver.refuse("CreateVolume", grpc.StatusCode.ABORTED, times=50)
    with pytest.raises(Busy):
        cluster.create_claim(claim())
    assert cluster.claims() == []
    world.driver.refusals.clear()
    assert [left.kind for left in cluster.leftovers()] == ["unfinished claim"]
    cluster.delete_claim("work")
    assert world.driver.volumes == {}
    assert world.paths_left() == []


def test_the_record_of_a_claim_that_no_driver_can_be_asked_for_can_be_deleted(
    world: LocalWorld, cluster: LocalCluster
) -> None:
    world.driver.refuse("CreateVolume", grpc.StatusCode.ABORTED, times=50)
    with pytest.raises(Busy):
        cluster.create_claim(claim())
    world.driver.refusals.clear()
    record = world.home / "records" / "claims" / "records" / "work"
    record.write_text(record.read_text().replace(str(1 << 30), str(1 << 80)))
    cluster.delete_claim("work")
    assert world.paths_left() == []


def test_a_driver_that_is_away_is_named_with_the_command_that_starts_it(
    world: LocalWorld, cluster: LocalCluster
) -> None:
    world.driver.refuse("CreateVolume", grpc.StatusCode.UNAVAILABLE, times=50)
    with pytest.raises(DriverAway, match=r"start it with: rokcsi serve all --endpoint unix:///.*csi\.sock"):
        cluster.create_claim(claim())


def test_two_programs_at_once_make_one_volume(world: LocalWorld) -> None:
    world.driver.slow["CreateVolume"] = 0.05
    made = []
    threads = [threading.Thread(target=lambda: made.append(world.cluster().create_claim(claim()))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(made) == 6
    assert len(set(map(repr, made))) == 1
    assert len(world.driver.volumes) == 1


def test_a_deleted_claim_is_gone_and_deleting_again_does_nothing(world: LocalWorld, cluster: LocalCluster) -> None:
    cluster.create_claim(claim())
    cluster.delete_claim("work")
    cluster.delete_claim("work")
    assert world.driver.volumes == {}
    assert world.paths_left() == []
    with pytest.raises(RecordNotFound, match="no claim 'work'"):
        cluster.claim("work")


def test_a_claim_that_a_pod_mounts_is_not_deleted(world: LocalWorld, cluster: LocalCluster) -> None:
    cluster.create_claim(claim())
    cluster.start_pod(pod("notebook"))
    with pytest.raises(StillInUse, match="the pod 'notebook'"):
        cluster.delete_claim("work")
    assert len(world.driver.volumes) == 1
    cluster.delete_pod("notebook")
    cluster.delete_claim("work")


def test_a_volume_that_the_driver_does_not_let_go_stays_claimed(world: LocalWorld, cluster: LocalCluster) -> None:
    cluster.create_claim(claim())
    world.driver.refuse("DeleteVolume", grpc.StatusCode.FAILED_PRECONDITION, "held")
    with pytest.raises(StillInUse, match="held"):
        cluster.delete_claim("work")
    assert cluster.claim("work").name == "work"


@pytest.mark.parametrize("name", ["", "Work", "a/b", "..", "a b", "a\n", "ü", "-a", "a-", "a" * 254, "a\0"])
def test_a_name_that_kubernetes_would_refuse_is_refused(world: LocalWorld, cluster: LocalCluster, name: str) -> None:
    with pytest.raises(InvalidRequest, match="lower-case"):
        cluster.create_claim(claim(name))
    with pytest.raises(InvalidRequest):
        cluster.claim(name)
    with pytest.raises(InvalidRequest):
        cluster.delete_claim(name)
    assert world.driver.calls == []
    assert world.paths_left() == []


def test_the_longest_name_is_accepted(cluster: LocalCluster) -> None:
    assert cluster.create_claim(claim("a" * 253)).name == "a" * 253


@pytest.mark.parametrize(
    "wrong", [{"filesystem": "ntfs"}, {"size": Bytes(0)}, {"size": Bytes(1 << 63)}, {"from_snapshot": ""}]
)
def test_a_claim_that_can_never_be_is_refused(world: LocalWorld, cluster: LocalCluster, wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        cluster.create_claim(dataclasses.replace(claim(), **wrong))  # type: ignore[arg-type]  # one field or the other
    assert world.driver.calls == []
