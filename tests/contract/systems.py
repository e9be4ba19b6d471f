"""What the state machine drives: a provisioner with a way to the bytes, however it is reached.

The pool's own door is `ProvisionerSystem`; a driver behind a socket is another one. Refusals
are raised as the families of `rokcsi.model.errors`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rokcsi.model.pool import Pool
from rokcsi.model.provisioner import GroupRequest, SnapshotFilter, SnapshotRequest, VolumeRequest
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Volume
from rokcsi.volumes.provisioning import PoolProvisioner
from tests.contract.harness import PoolHarness, TestedPool
from tests.fakes.scripted_checker import ScriptedChecker


@dataclass(frozen=True)
class SeenVolume:
    """A volume as a caller sees it."""

    handle: str
    size: int


@dataclass(frozen=True)
class SeenSnapshot:
    """A snapshot as a caller sees it; `group` is its group's handle, empty where it is alone."""

    handle: str
    volume: str
    size: int
    created_at: dt.datetime
    group: str


class System(Protocol):
    """A driver and what it serves. All volumes are raw block volumes; sizes are in bytes."""

    def create(self, name: str, required: int, limit: int, snapshot: str, volume: str) -> SeenVolume:
        """Make a volume; `limit` 0 and empty sources mean none."""

    def delete(self, volume: str) -> None:
        """Remove a volume."""

    def grow(self, volume: str, required: int) -> int:
        """Make a volume at least this large; give its size."""

    def cut(self, name: str, volume: str) -> SeenSnapshot:
        """Take a snapshot."""

    def delete_snapshot(self, snapshot: str) -> None:
        """Remove a snapshot."""

    def cut_group(self, name: str, volumes: Sequence[str]) -> Sequence[SeenSnapshot]:
        """Take snapshots at one instant."""

    def delete_group(self, group: str, snapshots: Sequence[str]) -> None:
        """Remove a group."""

    def volumes(self) -> set[SeenVolume]:
        """List all volumes."""

    def snapshots(self) -> set[SeenSnapshot]:
        """List all snapshots."""

    def write(self, volume: str, offset: int, data: bytes) -> None:
        """Write durably."""

    def read(self, volume: str) -> bytes:
        """Give a volume's whole contents."""

    def restart(self) -> None:
        """Kill the driver, start the next."""

    def strays(self) -> list[str]:
        """Name what belongs to nothing, as far as can be seen."""


class ProvisionerSystem:
    """The provisioner over a harness's pool, as it is served."""

    def __init__(self, harness: PoolHarness, wrap: Callable[[Pool], Pool]) -> None:
        self._tested = TestedPool.opened(harness, wrap)
        self._provisioner = PoolProvisioner(self._tested.pool, ScriptedChecker())

    def create(self, name: str, required: int, limit: int, snapshot: str, volume: str) -> SeenVolume:
        """Make a volume."""
        size = SizeRange(Bytes(required), Bytes(limit) if limit else None)
        request = VolumeRequest(name, size, None, from_snapshot=snapshot or None, from_volume=volume or None)
        return self._seen_volume(self._provisioner.provision(request))

    def delete(self, volume: str) -> None:
        """Remove a volume."""
        self._provisioner.remove_volume(volume)

    def grow(self, volume: str, required: int) -> int:
        """Make a volume at least this large."""
        return self._provisioner.expand(volume, SizeRange(Bytes(required))).size

    def cut(self, name: str, volume: str) -> SeenSnapshot:
        """Take a snapshot."""
        return self._seen_snapshot(self._provisioner.cut(SnapshotRequest(name, volume)))

    def delete_snapshot(self, snapshot: str) -> None:
        """Remove a snapshot."""
        self._provisioner.remove_snapshot(snapshot)

    def cut_group(self, name: str, volumes: Sequence[str]) -> Sequence[SeenSnapshot]:
        """Take snapshots at one instant."""
        cut = self._provisioner.cut_group(GroupRequest(name, tuple(volumes)))
        return [self._seen_snapshot(snapshot) for snapshot in cut]

    def delete_group(self, group: str, snapshots: Sequence[str]) -> None:
        """Remove a group."""
        self._provisioner.remove_group(group, snapshots)

    def volumes(self) -> set[SeenVolume]:
        """List all volumes."""
        return {self._seen_volume(volume) for volume in self._provisioner.volumes()}

    def snapshots(self) -> set[SeenSnapshot]:
        """List all snapshots."""
        return {self._seen_snapshot(snapshot) for snapshot in self._provisioner.snapshots(SnapshotFilter())}

    def write(self, volume: str, offset: int, data: bytes) -> None:
        """Write durably."""
        self._tested.write(self._provisioner.volume(volume).id, offset, data)

    def read(self, volume: str) -> bytes:
        """Give a volume's whole contents."""
        return self._tested.read(self._provisioner.volume(volume).id)

    def restart(self) -> None:
        """Kill the driver, start the next."""
        self._tested.restart()
        self._provisioner = PoolProvisioner(self._tested.pool, ScriptedChecker())

    def strays(self) -> list[str]:
        """Name what belongs to nothing."""
        return self._tested.strays()

    def _seen_volume(self, volume: Volume) -> SeenVolume:
        return SeenVolume(self._provisioner.handles.of_volume(volume.id), int(volume.size))

    def _seen_snapshot(self, snapshot: Snapshot) -> SeenSnapshot:
        handles = self._provisioner.handles
        return SeenSnapshot(
            handles.of_snapshot(snapshot.id),
            handles.of_volume(snapshot.volume),
            int(snapshot.size),
            snapshot.created_at,
            handles.of_group(snapshot.group.id) if snapshot.group else "",
        )
