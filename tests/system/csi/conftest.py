from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
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
        request = csi.NodeStageVolumeRequest(
            volume_id=volume, staging_target_path=str(staging), volume_capability=capability or mount_capability()
        )
        self.call("NodeStageVolume", request)
        return staging

    def publish(self, volume: str, pod: str, capability: csi.VolumeCapability | None = None, **fields: Any) -> Path:
        """Publish a staged volume to a pod; give its target path."""
        target = self.target(pod)
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


@pytest.fixture
def node(request: pytest.FixtureRequest) -> Iterator[NodeOfPods]:
    """A driver on a fresh pool, whose targets must lie below its root; everything goes afterwards."""
    rokcsi = Path(sys.executable).with_name("rokcsi")
    with workplace() as folder:
        root = folder / "kubelet"
        root.mkdir()
        arguments = ("--target-root", str(root))
        with (
            served(rokcsi, folder, folder / "driver.log", *arguments) as endpoint,
            grpc.insecure_channel(endpoint) as channel,
        ):
            yield NodeOfPods(channel, root)
