from __future__ import annotations

import json

import pytest

from rokcsi.local.cluster import LocalCluster
from rokcsi.model.pool import Leftover
from tests.fakes.local_cluster import LocalWorld, claim, pod


@pytest.fixture
def lost(world: LocalWorld, cluster: LocalCluster) -> LocalCluster:
    """A cluster that has lost the record of a pod which is up."""
    cluster.create_claim(claim())
    cluster.start_pod(pod("train", "python"))
    (world.home / "records/pods/records/train").unlink()
    return cluster


def test_a_clean_home_has_none(cluster: LocalCluster) -> None:
    cluster.create_claim(claim())
    cluster.start_pod(pod("notebook"))
    cluster.cut("before", ["work"])
    assert cluster.leftovers() == []


def test_mounts_of_a_lost_pod_are_found_and_taken_away_through_the_driver(
    world: LocalWorld, lost: LocalCluster
) -> None:
    found = lost.leftovers()
    assert {left.kind for left in found} == {"lost pod's folder", "staged volume", "lost pod's log"}
    for left in found:
        lost.clear(left)
    assert lost.leftovers() == []
    assert world.driver.mounts_seen() == frozenset()
    assert world.driver.staged == {}
    assert not list((world.home / "pods").iterdir())


def test_finding_changes_nothing(world: LocalWorld, lost: LocalCluster) -> None:
    before = world.paths_left(), len(world.driver.calls)
    lost.leftovers()
    assert (world.paths_left(), len(world.driver.calls)) == before


def test_what_is_no_leftover_any_more_is_not_cleared(world: LocalWorld, cluster: LocalCluster) -> None:
    cluster.create_claim(claim())
    made = cluster.start_pod(pod("notebook"))
    cluster.clear(Leftover("lost pod's folder", world.home / "pods" / made.uid, "no pod has this uid"))
    assert cluster.pod("notebook") == made


def test_a_note_without_a_living_process_is_no_hindrance(world: LocalWorld, lost: LocalCluster) -> None:
    (folder,) = (world.home / "pods").iterdir()
    (folder / "exec-1").write_text(json.dumps({"pid": 1, "start_ticks": 1, "boot": "another"}))
    (folder / "exec-2").write_text("{")
    for left in lost.leftovers():
        lost.clear(left)
    assert lost.leftovers() == []
