from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from sanity.workplace import driver as served
from sanity.workplace import workplace
from tests.fakes.csi_caller import CsiCaller, mount_capability


@dataclass(slots=True)
class NodeOfPods(CsiCaller):
    """A real driver, and the part of kubelet that tests need; all paths lie below `root`."""

    root: Path
    seen: set[tuple[str, str]] = field(default_factory=set)
    staged: set[str] = field(default_factory=set)

    def staging(self, volume: str) -> Path:
        """Give the staging path of a volume, made when missing, as kubelet does."""
        path = self.root / "staging" / volume
        path.mkdir(parents=True, exist_ok=True)
        return path

    def target(self, pod: str) -> Path:
        """Give a pod's target path, whose parent is made when missing."""
        path = self.root / "pods" / pod
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def stage(self, volume: str, capability: csi.VolumeCapability | None = None) -> Path:
        """Stage a volume; give its staging path."""
        staging = self.staging(volume)
        self.staged.add(volume)
        request = csi.NodeStageVolumeRequest(
            volume_id=volume, staging_target_path=str(staging), volume_capability=capability or mount_capability()
        )
        self.call("NodeStageVolume", request)
        return staging

    def publish(self, volume: str, pod: str, capability: csi.VolumeCapability | None = None, **fields: Any) -> Path:
        """Publish a staged volume to a pod; give its target path."""
        target = self.target(pod)
        self.seen.add((volume, pod))
        request = csi.NodePublishVolumeRequest(
            volume_id=volume,
            staging_target_path=str(self.staging(volume)),
            target_path=str(target),
            volume_capability=capability or mount_capability(),
            **fields,
        )
        self.call("NodePublishVolume", request)
        return target

    def unpublish(self, volume: str, pod: str) -> None:
        """Undo `publish`."""
        request = csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path=str(self.target(pod)))
        self.call("NodeUnpublishVolume", request)

    def unstage(self, volume: str) -> None:
        """Undo `stage`."""
        request = csi.NodeUnstageVolumeRequest(volume_id=volume, staging_target_path=str(self.staging(volume)))
        self.call("NodeUnstageVolume", request)

    def shown(self, volume: str, pod: str, capability: csi.VolumeCapability | None = None) -> Path:
        """Stage and publish a volume."""
        self.stage(volume, capability)
        return self.publish(volume, pod, capability)

    def clear(self) -> None:
        """Take everything away that this test has made, by CSI's own calls."""
        there = [entry.volume.volume_id for entry in self.call("ListVolumes", csi.ListVolumesRequest()).entries]
        for volume, pod in self.seen:
            if volume in there:
                self.unpublish(volume, pod)
        for volume in self.staged.intersection(there):
            self.unstage(volume)
        for entry in self.call("ListSnapshots", csi.ListSnapshotsRequest()).entries:
            self._delete_snapshot(entry.snapshot)
        for volume in there:
            self.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume))

    def _delete_snapshot(self, snapshot: csi.Snapshot) -> None:
        if snapshot.group_snapshot_id:
            request = csi.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=snapshot.group_snapshot_id)
            self.call("DeleteVolumeGroupSnapshot", request)
        else:
            self.call("DeleteSnapshot", csi.DeleteSnapshotRequest(snapshot_id=snapshot.snapshot_id))


@pytest.fixture(scope="module")
def served_node() -> Iterator[tuple[grpc.Channel, Path]]:
    """A driver on a fresh pool, and the folder below which its targets must lie; everything goes afterwards."""
    rokcsi = Path(sys.executable).with_name("rokcsi")
    with workplace() as folder:
        root = folder / "kubelet"
        root.mkdir()
        arguments = ("--target-root", str(root))
        with (
            served(rokcsi, folder, folder / "driver.log", *arguments) as endpoint,
            grpc.insecure_channel(endpoint) as channel,
        ):
            yield channel, root


@pytest.fixture
def node(served_node: tuple[grpc.Channel, Path], request: pytest.FixtureRequest) -> Iterator[NodeOfPods]:
    """The driver with nothing in its pool, and a part of the target root for this test alone."""
    channel, root = served_node
    own = root / hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]
    own.mkdir()
    made = NodeOfPods(channel, own)
    yield made
    made.clear()
