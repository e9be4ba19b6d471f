"""Two real nodes on loop files behind a real switchboard: what the sidecars do all day, and what goes wrong."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import pluginregistration_pb2 as kubelet
from rokcsi.csi.proto import pluginregistration_pb2_grpc
from tests.fakes.csi_caller import GIB, CsiCaller, Refused, create_request, from_snapshot, mount_capability
from tests.fakes.served_cluster import ServedCluster, served_cluster

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
KEY = "topology.rokcsi.dev/node"
PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[ServedCluster]:
    folder = Path(tempfile.mkdtemp(prefix="rokcsi-cluster-"))
    try:
        with served_cluster(folder) as served:
            yield served
    finally:
        assert not [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]
        shutil.rmtree(folder)


@pytest.fixture
def sidecar(cluster: ServedCluster) -> CsiCaller:
    assert cluster.controller is not None
    return cluster.caller(cluster.controller)


@pytest.fixture
def kubelets(cluster: ServedCluster) -> list[CsiCaller]:
    return [cluster.caller(node) for node in cluster.nodes]


def at(node: str) -> csi.TopologyRequirement:
    place = [csi.Topology(segments={KEY: node})]
    return csi.TopologyRequirement(preferred=place, requisite=place)


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def answers(sidecar: CsiCaller, volume: str) -> bool:
    try:
        sidecar.call("ControllerGetVolume", csi.ControllerGetVolumeRequest(volume_id=volume))
    except Refused as refused:
        assert refused.code is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - anything else would be a lie
        return False
    return True


def mounted(kubelet_: CsiCaller, volume: str, place: Path) -> Path:
    """Stage and publish; give the target."""
    staging, target = place / "staging", place / "target"
    staging.mkdir(parents=True)
    kubelet_.call(
        "NodeStageVolume",
        csi.NodeStageVolumeRequest(
            volume_id=volume, staging_target_path=str(staging), volume_capability=mount_capability()
        ),
    )
    kubelet_.call(
        "NodePublishVolume",
        csi.NodePublishVolumeRequest(
            volume_id=volume,
            staging_target_path=str(staging),
            target_path=str(target),
            volume_capability=mount_capability(),
        ),
    )
    return target


def unmounted(kubelet_: CsiCaller, volume: str, place: Path) -> None:
    kubelet_.call(
        "NodeUnpublishVolume", csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path=f"{place}/target")
    )
    kubelet_.call(
        "NodeUnstageVolume", csi.NodeUnstageVolumeRequest(volume_id=volume, staging_target_path=f"{place}/staging")
    )


def listed(sidecar: CsiCaller) -> set[str]:
    answer = sidecar.call("ListVolumes", csi.ListVolumesRequest())
    return {entry.volume.volume_id for entry in answer.entries}


def metrics_of(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_the_life_of_volumes_on_both_nodes(
    cluster: ServedCluster, sidecar: CsiCaller, kubelets: list[CsiCaller], tmp_path: Path
) -> None:
    volumes = [
        [sidecar.volume(f"v{number}-{node}", accessibility_requirements=at(node)).volume_id for number in (1, 2)]
        for node in ("node-1", "node-2")
    ]
    assert listed(sidecar) == {handle for pair in volumes for handle in pair}
    for kubelet_, (first, second), name in zip(kubelets, volumes, ("a", "b"), strict=True):
        target = mounted(kubelet_, first, tmp_path / name)
        (target / "greeting").write_text(f"from {name}")
        group = sidecar.group([first, second], f"g-{name}")
        cut = next(each.snapshot_id for each in group.snapshots if each.source_volume_id == first)
        clone = sidecar.volume(f"c-{name}", size=2 * GIB, volume_content_source=from_snapshot(cut)).volume_id
        shown = mounted(kubelet_, clone, tmp_path / f"{name}-clone")
        assert (shown / "greeting").read_text() == f"from {name}"
        grown = sidecar.call(
            "ControllerExpandVolume",
            csi.ControllerExpandVolumeRequest(
                volume_id=clone, capacity_range=csi.CapacityRange(required_bytes=3 * GIB)
            ),
        )
        assert grown.node_expansion_required
        kubelet_.call("NodeExpandVolume", csi.NodeExpandVolumeRequest(volume_id=clone, volume_path=str(shown)))
        assert os.statvfs(shown).f_blocks * os.statvfs(shown).f_frsize > 2.5 * GIB
        with pytest.raises(Refused) as refused:
            sidecar.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=clone))
        assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
        unmounted(kubelet_, clone, tmp_path / f"{name}-clone")
        unmounted(kubelet_, first, tmp_path / name)
        sidecar.call(
            "DeleteVolumeGroupSnapshot",
            csi.DeleteVolumeGroupSnapshotRequest(
                group_snapshot_id=group.group_snapshot_id,
                snapshot_ids=[each.snapshot_id for each in group.snapshots],
            ),
        )
        for handle in (first, second, clone):
            sidecar.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=handle))
    assert listed(sidecar) == set()
    assert cluster.controller is not None
    text = metrics_of(cluster.controller.metrics)
    assert 'rokcsi_nodes{state="known"} 2.0' in text
    assert re.search(r'rokcsi_routed_calls_total\{node="node-2",status="OK"\} [1-9]', text)


def test_a_group_over_both_nodes_and_a_clone_on_the_other_node_are_refused(
    sidecar: CsiCaller, kubelets: list[CsiCaller]
) -> None:
    handles = [
        sidecar.volume(f"x-{node}", accessibility_requirements=at(node)).volume_id for node in ("node-1", "node-2")
    ]
    with pytest.raises(Refused) as refused:
        sidecar.group(handles)
    assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
    snapshot = sidecar.snapshot(handles[0]).snapshot_id
    request = create_request(
        "y", volume_content_source=from_snapshot(snapshot), accessibility_requirements=at("node-2")
    )
    with pytest.raises(Refused) as refused:
        sidecar.call("CreateVolume", request)
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "'node-1'" in refused.value.message
    sidecar.call("DeleteSnapshot", csi.DeleteSnapshotRequest(snapshot_id=snapshot))
    for handle in handles:
        sidecar.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=handle))


def test_a_node_registers_itself_with_kubelet_and_leaves_with_its_socket(cluster: ServedCluster) -> None:
    node = cluster.nodes[0]
    registry = node.socket.parent / "plugins_registry" / "rokcsi.dev-reg.sock"
    assert stat.S_ISSOCK(registry.stat().st_mode)
    with grpc.insecure_channel(f"unix://{registry}") as channel:
        stubs: Any = pluginregistration_pb2_grpc
        info = stubs.RegistrationStub(channel).GetInfo(kubelet.InfoRequest(), timeout=10)
    assert (info.type, info.name, info.endpoint) == ("CSIPlugin", "rokcsi.dev", str(node.socket))


def test_a_node_that_is_killed_and_comes_back_elsewhere_has_its_volumes(
    cluster: ServedCluster, sidecar: CsiCaller
) -> None:
    here, there = (
        sidecar.volume(f"k-{node}", accessibility_requirements=at(node)).volume_id for node in ("node-1", "node-2")
    )
    cluster.nodes[0].end(signal.SIGKILL)
    assert not answers(sidecar, here)
    with pytest.raises(Refused) as refused:
        sidecar.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=here))
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE
    assert answers(sidecar, there)
    assert listed(sidecar) == {there}
    cluster.nodes[0].start()
    cluster.list_nodes()
    eventually(lambda: answers(sidecar, here))
    assert listed(sidecar) == {here, there}
    for handle in (here, there):
        sidecar.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=handle))


def test_a_switchboard_that_is_killed_leaves_nothing_to_be_made_up_for(
    cluster: ServedCluster, sidecar: CsiCaller
) -> None:
    assert cluster.controller is not None
    made = sidecar.volume("again", accessibility_requirements=at("node-2"))
    cluster.controller.end(signal.SIGKILL)
    cluster.controller.start()
    after = cluster.caller(cluster.controller)
    assert after.volume("again", accessibility_requirements=at("node-2")) == made
    after.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=made.volume_id))
    assert listed(after) == set()


def test_a_node_that_is_forgotten_lets_its_volumes_go(cluster: ServedCluster, sidecar: CsiCaller) -> None:
    lost = f"v-{'ab' * 16}-{'0' * 32}"
    with pytest.raises(Refused) as refused:
        sidecar.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=lost))
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE
    done = subprocess.run(
        [sys.executable, "-m", "rokcsi.cli.rokctl", "node", "forget", "ab" * 16, "--nodes", f"file:{cluster.roster}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == f"pool/{'ab' * 16} forgotten\n"
    sidecar.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=lost))


def test_both_roles_end_cleanly_and_leave_no_socket(cluster: ServedCluster) -> None:
    assert cluster.controller is not None
    for role in (cluster.controller, cluster.nodes[1]):
        assert role.socket.exists()
        assert role.end() == 0
        assert not role.socket.exists()
    assert list((cluster.nodes[1].socket.parent / "plugins_registry").iterdir()) == []
    assert "Traceback" not in "".join(path.read_text() for path in cluster.folder.glob("*.log"))
