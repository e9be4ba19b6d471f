"""A small CSI driver on a real unix socket, for tests of its callers.

Volumes and snapshots are folders. With a `host` that mounts, staging and publishing are
bind mounts; without, they are only noted, and `mounts_seen` tells of them. `refuse` makes a
method fail, `calls` says what was asked in which order.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc as services
from rokcsi.system import mounts


class NoHost:
    """Mounts nothing, and remembers what would be mounted."""

    def __init__(self) -> None:
        self.points: set[Path] = set()

    def bind(self, _source: Path, target: Path) -> None:
        self.points.add(target)

    def unmount(self, target: Path) -> None:
        self.points.discard(target)


class BindingHost(NoHost):
    """Makes real bind mounts."""

    def bind(self, source: Path, target: Path) -> None:
        if target not in self.points:
            mounts.bind(source, target)
            self.points.add(target)

    def unmount(self, target: Path) -> None:
        if any(entry.point == target for entry in mounts.read_mountinfo()):
            mounts.unmount(target)
        self.points.discard(target)


@dataclass
class FakeDriver:
    """The state of the fake, shared by its services."""

    folder: Path
    host: NoHost = field(default_factory=NoHost)
    capacity: int = 1 << 40
    volumes: dict[str, csi.CreateVolumeRequest] = field(default_factory=dict)
    groups: dict[str, csi.VolumeGroupSnapshot] = field(default_factory=dict)
    staged: dict[str, Path] = field(default_factory=dict)
    published: dict[Path, str] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    refusals: dict[str, list[tuple[grpc.StatusCode, str]]] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse(self, method: str, code: grpc.StatusCode, text: str = "not now", times: int = 1) -> None:
        """Let the next calls of a method fail."""
        self.refusals.setdefault(method, []).extend([(code, text)] * times)

    def methods(self) -> list[str]:
        """Give the names of the methods called so far."""
        return [name for name, _ in self.calls]

    def mounts_seen(self) -> frozenset[Path]:
        """What a mount table would show."""
        return frozenset(self.host.points)

    def contents(self, handle: str) -> Path:
        """The folder that holds a volume's, or snapshot's, files."""
        return self.folder / handle

    @contextmanager
    def called(self, name: str, request: Any, context: grpc.ServicerContext) -> Iterator[None]:
        time.sleep(self.slow.get(name, 0.0))
        with self.lock:
            self.calls.append((name, request))
            waiting = self.refusals.get(name)
            if waiting:
                context.abort(*waiting.pop(0))
            yield


def handle_of(kind: str, name: str) -> str:
    return f"{kind}-{'0' * 32}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


class Identity(services.IdentityServicer):
    def __init__(self, driver: FakeDriver) -> None:
        self.driver = driver

    def Probe(self, request: csi.ProbeRequest, context: grpc.ServicerContext) -> csi.ProbeResponse:  # noqa: N802 - gRPC's name
        with self.driver.called("Probe", request, context):
            return csi.ProbeResponse()


class Controller(services.ControllerServicer):
    def __init__(self, driver: FakeDriver) -> None:
        self.driver = driver

    def CreateVolume(self, request: csi.CreateVolumeRequest, context: grpc.ServicerContext) -> csi.CreateVolumeResponse:  # noqa: N802 - gRPC's name
        with self.driver.called("CreateVolume", request, context):
            handle, size = handle_of("v", request.name), request.capacity_range.required_bytes
            if size > self.driver.capacity:
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the pool is full")
            if handle not in self.driver.volumes:
                source = request.volume_content_source.snapshot.snapshot_id
                if source and not self.driver.contents(source).exists():
                    context.abort(grpc.StatusCode.NOT_FOUND, f"no snapshot {source}")
                if source:
                    shutil.copytree(self.driver.contents(source), self.driver.contents(handle))
                else:
                    self.driver.contents(handle).mkdir()
                self.driver.volumes[handle] = request
            volume = csi.Volume(volume_id=handle, capacity_bytes=size, volume_context={"made-by": "fake"})
            return csi.CreateVolumeResponse(volume=volume)

    def DeleteVolume(self, request: csi.DeleteVolumeRequest, context: grpc.ServicerContext) -> csi.DeleteVolumeResponse:  # noqa: N802 - gRPC's name
        with self.driver.called("DeleteVolume", request, context):
            if request.volume_id in self.driver.staged:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the volume is staged")
            if self.driver.volumes.pop(request.volume_id, None) is not None:
                shutil.rmtree(self.driver.contents(request.volume_id))
            return csi.DeleteVolumeResponse()


class Groups(services.GroupControllerServicer):
    def __init__(self, driver: FakeDriver) -> None:
        self.driver = driver

    def CreateVolumeGroupSnapshot(  # noqa: N802 - gRPC's name
        self, request: csi.CreateVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.CreateVolumeGroupSnapshotResponse:
        with self.driver.called("CreateVolumeGroupSnapshot", request, context):
            handle = handle_of("g", request.name)
            if handle not in self.driver.groups:
                self.driver.groups[handle] = self._cut(handle, request, context)
            context.set_trailing_metadata(
                (("rokcsi-freeze-window-seconds", "0.0025"), ("rokcsi-consistency", "crash-consistent"))
            )
            return csi.CreateVolumeGroupSnapshotResponse(group_snapshot=self.driver.groups[handle])

    def _cut(
        self, handle: str, request: csi.CreateVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.VolumeGroupSnapshot:
        group = csi.VolumeGroupSnapshot(group_snapshot_id=handle, ready_to_use=True)
        group.creation_time.GetCurrentTime()
        # In another order than asked for: CSI promises none.
        for volume in sorted(request.source_volume_ids):
            if volume not in self.driver.volumes:
                context.abort(grpc.StatusCode.NOT_FOUND, f"no volume {volume}")
            snapshot = handle_of("s", request.name + volume)
            shutil.copytree(self.driver.contents(volume), self.driver.contents(snapshot))
            size = self.driver.volumes[volume].capacity_range.required_bytes
            group.snapshots.append(
                csi.Snapshot(snapshot_id=snapshot, source_volume_id=volume, size_bytes=size, group_snapshot_id=handle)
            )
        return group

    def DeleteVolumeGroupSnapshot(  # noqa: N802 - gRPC's name
        self, request: csi.DeleteVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.DeleteVolumeGroupSnapshotResponse:
        with self.driver.called("DeleteVolumeGroupSnapshot", request, context):
            group = self.driver.groups.pop(request.group_snapshot_id, None)
            if group is not None:
                assert {member.snapshot_id for member in group.snapshots} == set(request.snapshot_ids)
                for member in group.snapshots:
                    shutil.rmtree(self.driver.contents(member.snapshot_id))
            return csi.DeleteVolumeGroupSnapshotResponse()

    def GetVolumeGroupSnapshot(  # noqa: N802 - gRPC's name
        self, request: csi.GetVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.GetVolumeGroupSnapshotResponse:
        with self.driver.called("GetVolumeGroupSnapshot", request, context):
            if request.group_snapshot_id not in self.driver.groups:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such group")
            return csi.GetVolumeGroupSnapshotResponse(group_snapshot=self.driver.groups[request.group_snapshot_id])


class Node(services.NodeServicer):
    def __init__(self, driver: FakeDriver) -> None:
        self.driver = driver

    def NodeStageVolume(  # noqa: N802 - gRPC's name
        self, request: csi.NodeStageVolumeRequest, context: grpc.ServicerContext
    ) -> csi.NodeStageVolumeResponse:
        with self.driver.called("NodeStageVolume", request, context):
            if request.volume_id not in self.driver.volumes:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such volume")
            staging = Path(request.staging_target_path)
            self.driver.host.bind(self.driver.contents(request.volume_id), staging)
            self.driver.staged[request.volume_id] = staging
            return csi.NodeStageVolumeResponse()

    def NodeUnstageVolume(  # noqa: N802 - gRPC's name
        self, request: csi.NodeUnstageVolumeRequest, context: grpc.ServicerContext
    ) -> csi.NodeUnstageVolumeResponse:
        with self.driver.called("NodeUnstageVolume", request, context):
            if request.volume_id in self.driver.published.values():
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "still published")
            self.driver.host.unmount(Path(request.staging_target_path))
            self.driver.staged.pop(request.volume_id, None)
            return csi.NodeUnstageVolumeResponse()

    def NodePublishVolume(  # noqa: N802 - gRPC's name
        self, request: csi.NodePublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi.NodePublishVolumeResponse:
        with self.driver.called("NodePublishVolume", request, context):
            if request.volume_id not in self.driver.staged:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not staged")
            target = Path(request.target_path)
            target.mkdir(exist_ok=True)
            self.driver.host.bind(Path(request.staging_target_path), target)
            self.driver.published[target] = request.volume_id
            return csi.NodePublishVolumeResponse()

    def NodeUnpublishVolume(  # noqa: N802 - gRPC's name
        self, request: csi.NodeUnpublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi.NodeUnpublishVolumeResponse:
        with self.driver.called("NodeUnpublishVolume", request, context):
            target = Path(request.target_path)
            self.driver.host.unmount(target)
            self.driver.published.pop(target, None)
            if target.exists():
                target.rmdir()
            return csi.NodeUnpublishVolumeResponse()


@contextmanager
def serving(driver: FakeDriver, socket: Path) -> Iterator[FakeDriver]:
    """Let the fake answer on a socket for the length of the block; what it has mounted goes with it."""
    server = grpc.server(ThreadPoolExecutor(8))
    adders: list[tuple[Callable[..., Any], Any]] = [
        (services.add_IdentityServicer_to_server, Identity(driver)),
        (services.add_ControllerServicer_to_server, Controller(driver)),
        (services.add_GroupControllerServicer_to_server, Groups(driver)),
        (services.add_NodeServicer_to_server, Node(driver)),
    ]
    for add, service in adders:
        add(service, server)
    server.add_insecure_port(f"unix://{socket}")
    server.start()
    try:
        yield driver
    finally:
        server.stop(grace=1).wait()
        for point in sorted(driver.host.points, reverse=True):
            driver.host.unmount(point)
