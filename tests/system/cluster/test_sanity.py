"""csi-sanity through the switchboard: its controller endpoint is the switchboard's, its node endpoint a node's.

The suite names no topology, so the switchboard is told of that one node only; with more,
the name of a volume would decide on which node it is made.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import sanity
from sanity.suite import Suite, run_suite
from sanity.toolchain import csi_sanity
from sanity.verdict import complaints, read_expected_skips, read_outcome
from tests.fakes.served_cluster import ServedCluster, served_cluster

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]
EXPECTED_SKIPS = Path(sanity.__file__).parent / "expected-skips.txt"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ServedCluster]:
    folder = Path(tempfile.mkdtemp(prefix="rokcsi-cluster-"))
    try:
        with served_cluster(folder) as served:
            served.nodes[1].end()
            served.list_nodes()
            yield served
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("mode", ["mount", "block"])
def test_csi_sanity_passes_through_the_switchboard(cluster: ServedCluster, tmp_path: Path, mode: str) -> None:
    assert cluster.controller is not None
    folder = cluster.folder / mode
    folder.mkdir()
    node, controller = (f"unix://{role.socket}" for role in (cluster.nodes[0], cluster.controller))
    run_suite(csi_sanity(), Suite(mode, folder, node, tmp_path / "report.xml", controller))
    assert not complaints(read_outcome(tmp_path / "report.xml"), read_expected_skips(EXPECTED_SKIPS))
