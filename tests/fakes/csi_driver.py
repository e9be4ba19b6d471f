"""A whole CSI driver on a real socket over a pool in memory, with a client for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc

from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc
from rokcsi.csi.server import WORKERS, Server
from rokcsi.csi.shown import Shown
from rokcsi.model.mounter import Mounter
from rokcsi.model.pool import Pool
from rokcsi.model.provisioner import Provisioner
from rokcsi.pools.admitting import AdmittingPool, Limits
from rokcsi.pools.idempotent import IdempotentPool
from rokcsi.pools.locked import LockedPool
from rokcsi.pools.memory import MemoryPool
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.provisioning import PoolProvisioner
from tests.fakes.memory_node import MemoryNodeVolumes

GIB = 1 << 30
MIB = 1 << 20
NODE = "node-1"
TIMEOUT_SECONDS = 30.0


@dataclass(slots=True)
class RememberedCalls:
    """A CallLog that keeps everything."""

    lines: list[tuple[str, str, float, Mapping[str, Shown]]] = field(default_factory=list)

    def finished(self, method: str, code: str, seconds: float, fields: Mapping[str, Shown]) -> None:
        self.lines.append((method, code, seconds, fields))


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """What the driver answered instead."""

    code: grpc.StatusCode
    message: str


@dataclass(slots=True)
class CsiDriver:
    """The driver under test and its four services as callables; refusals are raised as Refused."""

    pool: MemoryPool
    provisioner: Provisioner
    node: MemoryNodeVolumes
    calls: RememberedCalls
    socket: Path
    server: Server
    channel: grpc.Channel

    def call(self, method: str, request: Any, timeout: float = TIMEOUT_SECONDS) -> Any:
        """Make a call by the method's name."""
        return self.call_with_metadata(method, request, timeout)[0]

    def call_with_metadata(
        self, method: str, request: Any, timeout: float = TIMEOUT_SECONDS
    ) -> tuple[Any, dict[str, str]]:
        """Make a call; give the response and the trailing metadata."""
        stub: Any = getattr(stub_with(self.channel, method), method)
        try:
            response, call = stub.with_call(request, timeout=timeout)
        except grpc.RpcError as error:
            told: Any = error
            raise Refused(told.code(), told.details()) from error
        return response, {key: str(value) for key, value in call.trailing_metadata()}

    def everything(self) -> tuple[Sequence[object], Sequence[object], Mapping[str, object], Mapping[Path, object]]:
        """Give all that exists: two of these are equal when nothing was made, changed or removed in between."""
        return self.pool.volumes(), self.pool.snapshots(), dict(self.node.staged), dict(self.node.published)

    def volume(self, name: str = "v", **fields: Any) -> csi.Volume:
        """Make a mounted volume of 1 GiB, or as the fields say."""
        created: csi.Volume = self.call("CreateVolume", create_request(name, **fields)).volume
        return created

    def snapshot(self, volume_id: str, name: str = "s") -> csi.Snapshot:
        """Cut a snapshot."""
        request = csi.CreateSnapshotRequest(name=name, source_volume_id=volume_id)
        cut: csi.Snapshot = self.call("CreateSnapshot", request).snapshot
        return cut

    def group(self, volume_ids: Sequence[str], name: str = "g") -> csi.VolumeGroupSnapshot:
        """Cut a group."""
        request = csi.CreateVolumeGroupSnapshotRequest(name=name, source_volume_ids=volume_ids)
        cut: csi.VolumeGroupSnapshot = self.call("CreateVolumeGroupSnapshot", request).group_snapshot
        return cut


def stub_with(channel: grpc.Channel, method: str) -> Any:
    """Give the stub of the service that has this method."""
    for service in csi.DESCRIPTOR.services_by_name.values():
        if method in service.methods_by_name:
            return getattr(csi_pb2_grpc, f"{service.name}Stub")(channel)
    raise KeyError(method)


def mount_capability(mode: str = "SINGLE_NODE_WRITER", fs_type: str = "", **fields: Any) -> csi.VolumeCapability:
    """Give a capability for files."""
    return csi.VolumeCapability(
        mount=csi.VolumeCapability.MountVolume(fs_type=fs_type, **fields), access_mode=access_mode(mode)
    )


def block_capability(mode: str = "SINGLE_NODE_WRITER") -> csi.VolumeCapability:
    """Give a capability for a raw device."""
    return csi.VolumeCapability(block=csi.VolumeCapability.BlockVolume(), access_mode=access_mode(mode))


def access_mode(mode: str) -> csi.VolumeCapability.AccessMode:
    """Give an access mode by its name in CSI."""
    return csi.VolumeCapability.AccessMode(mode=cast("Any", csi.VolumeCapability.AccessMode.Mode.Value(mode)))


def create_request(name: str = "v", size: int = GIB, limit: int = 0, **fields: Any) -> csi.CreateVolumeRequest:
    """Give a request for a mounted volume."""
    fields.setdefault("volume_capabilities", [mount_capability()])
    capacity = csi.CapacityRange(required_bytes=size, limit_bytes=limit)
    return csi.CreateVolumeRequest(name=name, **{"capacity_range": capacity, **fields})


def from_snapshot(snapshot_id: str) -> csi.VolumeContentSource:
    """Give the source of a clone."""
    return csi.VolumeContentSource(snapshot=csi.VolumeContentSource.SnapshotSource(snapshot_id=snapshot_id))


def from_volume(volume_id: str) -> csi.VolumeContentSource:
    """Give the source of a copy."""
    return csi.VolumeContentSource(volume=csi.VolumeContentSource.VolumeSource(volume_id=volume_id))


@contextmanager
def csi_driver(
    folder: Path, memory: MemoryPool | None = None, identity: DriverIdentity | None = None, ready: bool = True
) -> Iterator[CsiDriver]:
    """Serve a driver on a socket below `folder`."""
    folder.joinpath("pool").mkdir(exist_ok=True)
    pool = memory or MemoryPool(folder / "pool")
    locks = KeyedLocks(WORKERS // 2)
    wrapped: Pool = LockedPool(IdempotentPool(AdmittingPool(pool, Limits())), locks)
    provisioner = PoolProvisioner(wrapped, cast("Mounter", None), locks)
    node, calls = MemoryNodeVolumes(provisioner), RememberedCalls()
    driver = identity or DriverIdentity(version="1.2.3", node_id=NODE)
    socket = folder / "run" / "csi.sock"
    server = Server(f"unix://{socket}", provisioner, node, driver, calls=[calls], ready=lambda: ready)
    server.start()
    try:
        with grpc.insecure_channel(server.endpoint) as channel:
            yield CsiDriver(pool, provisioner, node, calls, socket, server, channel)
    finally:
        server.stop(grace_seconds=5)
