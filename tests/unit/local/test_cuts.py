from __future__ import annotations

import grpc
import pytest

from rokcsi.local.cluster import LocalCluster
from rokcsi.model.errors import Busy, InvalidRequest, PoolFull, RecordExists, RecordNotFound
from rokcsi.model.snapshot import Consistency
from tests.fakes.local_cluster import LocalWorld, claim


@pytest.fixture
def two(cluster: LocalCluster) -> LocalCluster:
    cluster.create_claim(claim("work"))
    cluster.create_claim(claim("data", size=2 << 30))
    return cluster


def test_a_cut_has_a_snapshot_of_each_claim_in_the_order_asked_for(world: LocalWorld, two: LocalCluster) -> None:
    cut = two.cut("before", ["work", "data"])
    assert [member.claim for member in cut.snapshots] == ["work", "data"]
    assert [int(member.size) for member in cut.snapshots] == [1 << 30, 2 << 30]
    assert {member.consistency for member in cut.snapshots} == {Consistency.CRASH}
    assert cut.freeze_window_seconds == 0.0025
    assert cut.created_at.tzinfo is not None
    assert all(world.driver.contents(member.snapshot).is_dir() for member in cut.snapshots)


def test_the_same_name_gives_the_same_cut(world: LocalWorld, two: LocalCluster) -> None:
    first = two.cut("before", ["work", "data"])
    assert world.cluster().cut("before", ["data", "work"]) == first
    assert world.driver.methods().count("CreateVolumeGroupSnapshot") == 1


def test_the_same_name_with_other_claims_is_refused(two: LocalCluster) -> None:
    two.cut("before", ["work"])
    with pytest.raises(RecordExists, match="of the claims work"):
        two.cut("before", ["work", "data"])


def test_a_claim_made_from_a_cut_has_its_files(world: LocalWorld, two: LocalCluster) -> None:
    (world.driver.contents(two.claim("work").volume) / "notes").write_text("then")
    cut = two.cut("before", ["work"])
    clone = two.create_claim(claim("clone", from_snapshot=cut.snapshots[0].snapshot))
    assert (world.driver.contents(clone.volume) / "notes").read_text() == "then"
    assert clone.from_snapshot == cut.snapshots[0].snapshot


def test_a_cut_outlives_its_claims_and_is_deleted_by_its_handle(world: LocalWorld, two: LocalCluster) -> None:
    cut = two.cut("before", ["work"])
    two.delete_claim("work")
    two.delete_cut(cut.handle)
    two.delete_cut(cut.handle)
    assert world.driver.groups == {}
    assert not world.driver.contents(cut.snapshots[0].snapshot).exists()


def test_a_cut_without_a_record_is_deleted_all_the_same(world: LocalWorld, two: LocalCluster) -> None:
    cut = two.cut("before", ["work"])
    (world.home / "records/cuts/records/before").unlink()
    two.delete_cut(cut.handle)
    assert world.driver.groups == {}


def test_an_unknown_handle_is_deleted_already(two: LocalCluster) -> None:
    two.delete_cut("g-unknown")


def test_a_missing_claim_leaves_no_record(world: LocalWorld, two: LocalCluster) -> None:
    with pytest.raises(RecordNotFound, match="no claim 'models'"):
        two.cut("before", ["work", "models"])
    assert two.leftovers() == []
    assert "CreateVolumeGroupSnapshot" not in world.driver.methods()


def test_a_refused_cut_leaves_no_record(world: LocalWorld, two: LocalCluster) -> None:
    world.driver.refuse("CreateVolumeGroupSnapshot", grpc.StatusCode.RESOURCE_EXHAUSTED)
    with pytest.raises(PoolFull):
        two.cut("before", ["work"])
    assert two.leftovers() == []


def test_an_interrupted_cut_is_found_and_cleared(world: LocalWorld, two: LocalCluster) -> None:
    world.driver.refuse("CreateVolumeGroupSnapshot", grpc.StatusCode.ABORTED, times=50)
    with pytest.raises(Busy):
        two.cut("before", ["work"])
    world.driver.refusals.clear()
    (leftover,) = two.leftovers()
    assert leftover.kind == "unfinished cut"
    two.clear(leftover)
    assert two.leftovers() == []
    assert world.driver.groups == {}


@pytest.mark.parametrize("claims", [[], ["work", "work"]])
def test_a_cut_of_nothing_or_of_one_claim_twice_is_refused(two: LocalCluster, claims: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        two.cut("before", claims)
