"""A whole driver in a process of its own, driven over its socket, for the state machine; a restart is SIGKILL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import Conflict, InvalidRequest, NotFound, OutOfRange, RokcsiError
from tests.contract.systems import SeenSnapshot, SeenVolume, System
from tests.fakes.csi_caller import CsiCaller, Refused, block_capability, from_snapshot, from_volume
from tests.fakes.loop_file_pools import LoopFilePools
from tests.fakes.pool_witness import held_in
from tests.system.crash.served import ServedDriver

T = TypeVar("T")
_FAMILIES: dict[grpc.StatusCode, type[RokcsiError]] = {
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
}


class CsiSystem:
    """Speaks CSI as a container orchestrator does; contents are reached by staging and publishing raw devices."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._driver = ServedDriver(folder)
        self._start()

    def create(self, name: str, required: int, limit: int, snapshot: str, volume: str) -> SeenVolume:
        """CreateVolume."""
        request = csi.CreateVolumeRequest(
            name=name,
            capacity_range=csi.CapacityRange(required_bytes=required, limit_bytes=limit),
            volume_capabilities=[block_capability()],
        )
        if snapshot:
            request.volume_content_source.CopyFrom(from_snapshot(snapshot))
        elif volume:
            request.volume_content_source.CopyFrom(from_volume(volume))
        return _seen_volume(self._call("CreateVolume", request).volume)

    def delete(self, volume: str) -> None:
        """DeleteVolume."""
        self._call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume))

    def grow(self, volume: str, required: int) -> int:
        """ControllerExpandVolume."""
        request = csi.ControllerExpandVolumeRequest(
            volume_id=volume,
            capacity_range=csi.CapacityRange(required_bytes=required),
            volume_capability=block_capability(),
        )
        return int(self._call("ControllerExpandVolume", request).capacity_bytes)

    def cut(self, name: str, volume: str) -> SeenSnapshot:
        """CreateSnapshot."""
        request = csi.CreateSnapshotRequest(name=name, source_volume_id=volume)
        return _seen_snapshot(self._call("CreateSnapshot", request).snapshot)

    def delete_snapshot(self, snapshot: str) -> None:
        """DeleteSnapshot."""
        self._call("DeleteSnapshot", csi.DeleteSnapshotRequest(snapshot_id=snapshot))

    def cut_group(self, name: str, volumes: Sequence[str]) -> Sequence[SeenSnapshot]:
        """CreateVolumeGroupSnapshot, its members in the order asked for."""
        request = csi.CreateVolumeGroupSnapshotRequest(name=name, source_volume_ids=volumes)
        cut = self._call("CreateVolumeGroupSnapshot", request).group_snapshot.snapshots
        members = {member.source_volume_id: _seen_snapshot(member) for member in cut}
        return [members[volume] for volume in volumes]

    def delete_group(self, group: str, snapshots: Sequence[str]) -> None:
        """DeleteVolumeGroupSnapshot."""
        request = csi.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=group, snapshot_ids=snapshots)
        self._call("DeleteVolumeGroupSnapshot", request)

    def volumes(self) -> set[SeenVolume]:
        """ListVolumes."""
        entries = self._call("ListVolumes", csi.ListVolumesRequest()).entries
        return {_seen_volume(entry.volume) for entry in entries}

    def snapshots(self) -> set[SeenSnapshot]:
        """ListSnapshots."""
        entries = self._call("ListSnapshots", csi.ListSnapshotsRequest()).entries
        return {_seen_snapshot(entry.snapshot) for entry in entries}

    def write(self, volume: str, offset: int, data: bytes) -> None:
        """Write to the published device."""
        self._with_device(volume, lambda device: _write_durably(device, offset, data))

    def read(self, volume: str) -> bytes:
        """Read the published device."""
        return self._with_device(volume, Path.read_bytes)

    def restart(self) -> None:
        """Kill the process, start the next."""
        process = self._driver._process
        assert process is not None
        process.kill()
        process.wait(30)
        self._driver.stop()
        self._start()

    def strays(self) -> list[str]:
        """Compare what lies in the pool, by number, with what is listed."""
        held = held_in(self._driver.pool)
        listed = {"volumes": len(self.volumes()), "snapshots": len(self.snapshots())}
        # A pool need not tell which of its things are snapshots.
        return [] if sum(held.values()) == sum(listed.values()) else [f"{held} lie in the pool, {listed} are listed"]

    def close(self) -> None:
        """Stop the process, and leave nothing of it."""
        self._driver.stop()
        LoopFilePools(self._folder).close()

    def _start(self) -> None:
        self._driver.start()
        self._caller = CsiCaller(grpc.insecure_channel(self._driver.endpoint))

    def _call(self, method: str, request: Any) -> Any:
        try:
            return self._caller.call(method, request)
        except Refused as refused:
            if refused.code not in _FAMILIES:
                raise
            raise _FAMILIES[refused.code](refused.message) from refused

    def _with_device(self, volume: str, deed: Callable[[Path], T]) -> T:
        staging, target = self._folder / "staging", self._folder / "target"
        staging.mkdir(exist_ok=True)
        stage = csi.NodeStageVolumeRequest(
            volume_id=volume, staging_target_path=str(staging), volume_capability=block_capability()
        )
        publish = csi.NodePublishVolumeRequest(
            volume_id=volume,
            staging_target_path=str(staging),
            target_path=str(target),
            volume_capability=block_capability(),
        )
        self._call("NodeStageVolume", stage)
        self._call("NodePublishVolume", publish)
        try:
            return deed(target)
        finally:
            unstage = csi.NodeUnstageVolumeRequest(volume_id=volume, staging_target_path=str(staging))
            self._call("NodeUnpublishVolume", csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path=str(target)))
            self._call("NodeUnstageVolume", unstage)


@contextmanager
def served_driver(folder: Path) -> Iterator[System]:
    """Give a driver on a pool below `folder`."""
    system = CsiSystem(folder)
    try:
        yield system
    finally:
        system.close()


def _write_durably(device: Path, offset: int, data: bytes) -> None:
    opened = os.open(device, os.O_WRONLY)
    try:
        os.pwrite(opened, data, offset)
        os.fsync(opened)
    finally:
        os.close(opened)


def _seen_volume(volume: csi.Volume) -> SeenVolume:
    return SeenVolume(volume.volume_id, volume.capacity_bytes)


def _seen_snapshot(snapshot: csi.Snapshot) -> SeenSnapshot:
    assert snapshot.ready_to_use
    return SeenSnapshot(
        snapshot.snapshot_id,
        snapshot.source_volume_id,
        snapshot.size_bytes,
        snapshot.creation_time.ToDatetime(),
        snapshot.group_snapshot_id,
    )
