"""Cuts that the timeline asks of the nodes, over real gRPC and TLS."""

from __future__ import annotations

import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import GroupDiffers, NodeForgotten, PoolElsewhere, VolumeNotFound
from rokcsi.model.ids import pool_of_volume
from rokcsi.model.provisioner import SaidOfGroup
from rokcsi.model.snapshot import Consistency
from rokcsi.switchboard.node_cuts import NodeCuts
from tests.fakes.switchboards import FakeCluster


@pytest.fixture
def cuts(cluster: FakeCluster) -> NodeCuts:
    return NodeCuts(cluster.directory)


def volumes(cluster: FakeCluster, *names: str) -> list[str]:
    """Have volumes, all on the node of the first."""
    first = cluster.volume(names[0])
    topology = {"requisite": first.accessible_topology}
    more = [cluster.volume(name, accessibility_requirements=topology) for name in names[1:]]
    return [each.volume_id for each in (first, *more)]


def test_volumes_of_one_node_are_cut_together_and_the_name_gives_the_cut_again(
    cluster: FakeCluster, cuts: NodeCuts
) -> None:
    asked = volumes(cluster, "a", "b")
    cut = cuts.cut("checkpoint-uid-before", asked)
    assert [each.volume for each in sorted(cut.volumes, key=lambda each: asked.index(each.volume))] == asked
    assert cut.consistency is Consistency.FROZEN
    assert cut.created_at.tzinfo is not None
    assert cuts.cut("checkpoint-uid-before", asked) == cut
    node = cluster.of(asked[0])
    assert len(node.pool.snapshots()) == 2
    with pytest.raises(GroupDiffers):
        cuts.cut("checkpoint-uid-before", asked[:1])


def test_what_is_said_of_a_cut_comes_back_from_the_pool_with_it(cluster: FakeCluster, cuts: NodeCuts) -> None:
    asked = volumes(cluster, "a", "b")
    said = SaidOfGroup({asked[0]: {"rok/member": "größer"}}, {"rok/version": "7"})
    cut = cuts.cut("c", asked, said)
    plain = cuts.cut("d", asked[:1])
    cluster.snapshot(asked[0], "alone")
    pool = pool_of_volume(asked[0])
    assert pool in cuts.pools()
    first, second = cuts.labelled(pool)
    assert cuts.labelled(pool, [first.handle]) == [second]
    assert [first.handle, second.handle] == [cut.handle, plain.handle]
    found = {each.volume: each for each in first.snapshots}
    assert {volume: found[volume].labels for volume in asked} == {volume: said.of(volume) for volume in asked}
    assert {each.volume: each.snapshot for each in cut.volumes} == {v: each.snapshot for v, each in found.items()}
    assert second.snapshots[0].labels == {}
    assert cuts.is_there(cut.handle)
    cuts.remove(cut.handle)
    assert not cuts.is_there(cut.handle)
    assert [each.handle for each in cuts.labelled(pool)] == [plain.handle]


def test_a_cut_is_removed_with_its_snapshots_as_often_as_one_likes(cluster: FakeCluster, cuts: NodeCuts) -> None:
    asked = volumes(cluster, "a", "b")
    cut = cuts.cut("c", asked)
    for _ in range(2):
        cuts.remove(cut.handle)
    assert not cluster.of(asked[0]).pool.snapshots()


def test_the_cut_of_a_node_that_is_gone_for_good_is_gone(cluster: FakeCluster, cuts: NodeCuts) -> None:
    [asked] = volumes(cluster, "a")
    cut = cuts.cut("c", [asked])
    node = cluster.of(asked)
    cluster.roster.set(*[each.address for each in cluster.nodes if each is not node])
    node.leave()
    with pytest.raises(PoolElsewhere):
        cuts.remove(cut.handle)
    cluster.roster.gone.add(pool_of_volume(asked))
    cuts.remove(cut.handle)
    with pytest.raises(NodeForgotten):
        cuts.cut("d", [asked])


def test_a_node_that_is_away_is_told_from_one_that_refuses(cluster: FakeCluster, cuts: NodeCuts) -> None:
    [asked] = volumes(cluster, "a")
    cluster.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=asked))
    with pytest.raises(VolumeNotFound):
        cuts.cut("c", [asked])
    cluster.of(asked).leave()
    with pytest.raises(PoolElsewhere):
        cuts.cut("c", [asked])


def test_the_fullness_is_the_pools_own(cluster: FakeCluster, cuts: NodeCuts) -> None:
    [asked] = volumes(cluster, "a")
    capacity = cluster.of(asked).pool.capacity()
    assert cuts.fullness(asked) == pytest.approx(int(capacity.used) / int(capacity.total))
