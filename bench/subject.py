"""The driver under test, in a process of its own, and the CSI calls made of it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import grpc

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc as stubs

GIB = 1 << 30
MODE = csi.VolumeCapability.AccessMode.SINGLE_NODE_MULTI_WRITER


def capability(kind: str = "xfs") -> csi.VolumeCapability:
    """Give the capability of a mounted volume that several pods may use."""
    return csi.VolumeCapability(
        mount=csi.VolumeCapability.MountVolume(fs_type=kind), access_mode=csi.VolumeCapability.AccessMode(mode=MODE)
    )


class Subject:
    """`rokcsi serve all` on a folder; ready when made."""

    def __init__(self, pool: Path, folder: Path, *options: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        endpoint = f"unix://{folder}/csi.sock"
        program = Path(sys.executable).with_name("rokcsi")
        self._folder = folder
        started = time.perf_counter()
        self._log = (folder.parent / "driver.log").open("w")
        self.process = subprocess.Popen(
            [
                program,
                "serve",
                "all",
                "--endpoint",
                endpoint,
                "--pool",
                f"loopfile:{pool}",
                "--node-id",
                "bench",
                *options,
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.channel = grpc.insecure_channel(
            endpoint, [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 20)]
        )
        self.identity = stubs.IdentityStub(self.channel)
        self.controller = stubs.ControllerStub(self.channel)
        self.groups = stubs.GroupControllerStub(self.channel)
        self.node = stubs.NodeStub(self.channel)
        try:
            self.identity.Probe(csi.ProbeRequest(), wait_for_ready=True, timeout=20)
        except grpc.RpcError as error:
            self.stop()
            raise SystemExit(f"the driver does not answer: {(folder.parent / 'driver.log').read_text()}") from error
        self.seconds_to_ready = time.perf_counter() - started

    def stop(self) -> None:
        """End the driver and wait for it."""
        self.channel.close()
        self.process.terminate()
        self.process.wait(60)
        self._log.close()

    def resident_bytes(self) -> int:
        """What the driver's process holds in memory now."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

    def create(self, name: str, size: int = GIB, snapshot: str | None = None) -> str:
        """CreateVolume; give the handle."""
        request = csi.CreateVolumeRequest(name=name, volume_capabilities=[capability()])
        if snapshot is None:
            request.capacity_range.required_bytes = size
        else:
            request.volume_content_source.snapshot.snapshot_id = snapshot
        return str(self.controller.CreateVolume(request, timeout=60).volume.volume_id)

    def delete(self, handle: str) -> None:
        """DeleteVolume."""
        self.controller.DeleteVolume(csi.DeleteVolumeRequest(volume_id=handle), timeout=60)

    def snapshot(self, name: str, volume: str) -> str:
        """CreateSnapshot; give the handle."""
        request = csi.CreateSnapshotRequest(name=name, source_volume_id=volume)
        return str(self.controller.CreateSnapshot(request, timeout=60).snapshot.snapshot_id)

    def delete_snapshot(self, handle: str) -> None:
        """DeleteSnapshot."""
        self.controller.DeleteSnapshot(csi.DeleteSnapshotRequest(snapshot_id=handle), timeout=60)

    def group_window(self, name: str, volumes: list[str]) -> float:
        """CreateVolumeGroupSnapshot; give the freeze window in seconds, and remove the group."""
        request = csi.CreateVolumeGroupSnapshotRequest(name=name, source_volume_ids=volumes)
        answer, call = self.groups.CreateVolumeGroupSnapshot.with_call(request, timeout=60)
        trailing = {item.key: item.value for item in call.trailing_metadata()}
        group = answer.group_snapshot
        self.groups.DeleteVolumeGroupSnapshot(
            csi.DeleteVolumeGroupSnapshotRequest(
                group_snapshot_id=group.group_snapshot_id,
                snapshot_ids=[member.snapshot_id for member in group.snapshots],
            ),
            timeout=60,
        )
        return float(trailing["rokcsi-freeze-window-seconds"])

    def stage(self, handle: str, name: str) -> Path:
        """NodeStageVolume; give the staging path."""
        staging = self._folder.parent / "staging" / name
        staging.mkdir(parents=True, exist_ok=True)
        self.node.NodeStageVolume(
            csi.NodeStageVolumeRequest(
                volume_id=handle, staging_target_path=str(staging), volume_capability=capability()
            ),
            timeout=60,
        )
        return staging

    def publish(self, handle: str, name: str) -> Path:
        """NodePublishVolume; give the target path."""
        target = self._folder.parent / "targets" / name
        target.parent.mkdir(exist_ok=True)
        self.node.NodePublishVolume(
            csi.NodePublishVolumeRequest(
                volume_id=handle,
                staging_target_path=str(self._folder.parent / "staging" / name),
                target_path=str(target),
                volume_capability=capability(),
            ),
            timeout=60,
        )
        return target

    def take_down(self, handle: str, name: str) -> None:
        """NodeUnpublishVolume and NodeUnstageVolume."""
        base = self._folder.parent
        self.node.NodeUnpublishVolume(
            csi.NodeUnpublishVolumeRequest(volume_id=handle, target_path=str(base / "targets" / name)), timeout=60
        )
        self.node.NodeUnstageVolume(
            csi.NodeUnstageVolumeRequest(volume_id=handle, staging_target_path=str(base / "staging" / name)), timeout=60
        )

    def probe_seconds(self) -> float:
        """The time of one round trip that does nothing."""
        before = time.perf_counter()
        self.identity.Probe(csi.ProbeRequest(), timeout=10)
        return time.perf_counter() - before
