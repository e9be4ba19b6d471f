"""A timeline over two real nodes on loop files: its catalogues are lost, and the nodes killed, and all is found again."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rokcsi.model.doorkeeper import Passage, PodAtDoor, Side
from rokcsi.model.people import Wish
from rokcsi.switchboard.dialling import Dialling
from rokcsi.switchboard.directory import Directory
from rokcsi.switchboard.node_cuts import NodeCuts
from rokcsi.timeline.keeping import KeepingRules
from rokcsi.timeline.rebuilding import Rebuilding
from tests.fakes.csi_caller import CsiCaller
from tests.fakes.served_cluster import CONTROLLER, NODES, ServedCluster, served_cluster
from tests.fakes.switchboards import DRIVER, MemoryRoster
from tests.fakes.visited_cluster import NAMESPACE
from tests.unit.timeline.conftest import Timeline

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture
def cluster() -> Iterator[ServedCluster]:
    folder = Path(tempfile.mkdtemp(prefix="rokcsi-lost-"))
    try:
        with served_cluster(folder) as served:
            yield served
    finally:
        shutil.rmtree(folder)


@contextmanager
def cuts_of(cluster: ServedCluster) -> Iterator[Any]:
    """Give the cuts of the nodes where they are now."""
    roster = MemoryRoster()
    directory = Directory(roster, Dialling(cluster.authority.issue(CONTROLLER).read(), NODES, DRIVER, 4), 4)
    roster.watch(directory.refresh)
    roster.set(*(node.port for node in cluster.nodes))
    try:
        yield NodeCuts(directory)
    finally:
        directory.close()


def claimed(timeline: Timeline, node: CsiCaller, name: str) -> str:
    """Have a claim with a real volume; give its handle."""
    handle: str = node.volume(name).volume_id
    timeline.pods.claim(name)
    timeline.pods.claims[name] = replace(timeline.pods.claims[name], handle=handle)
    return handle


def visited(timeline: Timeline, volume: str, name: str, *claims: str) -> PodAtDoor:
    at = timeline.pods.comes(name, *claims)
    timeline.visiting.enters(Passage(at, Side.BEFORE, volume))
    timeline.pods.runs(name)
    timeline.pods.ends(name, 3)
    timeline.visiting.leaves(Passage(at, Side.AFTER, volume))
    return at


def test_checkpoints_on_two_nodes_are_found_again_after_everything_was_killed(
    cluster: ServedCluster, tmp_path: Path
) -> None:
    with cuts_of(cluster) as cuts:
        timeline = Timeline(tmp_path / "catalogs", cuts=cuts)
        pods = two_visits(cluster, timeline)
        asked_for = timeline.asked(timeline.filed.append).take(NAMESPACE, Wish("train", "First", "of all", "ann"))
    known = timeline.versions()
    assert len(known) == 5
    for node in cluster.nodes:
        node.end(signal.SIGKILL)
        node.start()
    timeline.lose_catalogues()
    with cuts_of(cluster) as cuts:
        Rebuilding(timeline.parts, cuts, timeline.visiting, KeepingRules()).look()
    found = timeline.versions()
    assert [(each.id, each.cut, each.members) for each in found] == [
        (each.id, each.cut, each.members) for each in known
    ]
    bare = replace(asked_for.reason, command=(), environment={}, template=None)
    assert timeline.version(asked_for.id) == replace(asked_for, reason=bare)
    for at in pods:
        attempt = timeline.attempt(at)
        assert (attempt.pod, attempt.exit_status, bool(attempt.before), bool(attempt.after)) == (at.name, 3, True, True)
    timeline.shelves.close()


def two_visits(cluster: ServedCluster, timeline: Timeline) -> list[PodAtDoor]:
    """Have a pod of two volumes on the first node, and one of one volume on the second, come and go."""
    first, second = (cluster.caller(node) for node in cluster.nodes)
    work, _ = claimed(timeline, first, "work"), claimed(timeline, first, "data")
    far = claimed(timeline, second, "far")
    return [visited(timeline, work, "train", "work", "data"), visited(timeline, far, "serve", "far")]
