"""A node with a pool and a mounter, with short words for what a test asks of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from rokcsi.model.doorkeeper import Doors
from rokcsi.model.ids import Handles, VolumeId
from rokcsi.model.mounter import Mounter
from rokcsi.model.node import Access, PublishRequest, StageRequest
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import NewVolume
from rokcsi.system.beneath import TargetRoots
from rokcsi.volumes.node import PoolNodeVolumes

MIB, GIB = 1 << 20, 1 << 30
MOUNTED = Access(block=False, filesystem=None)
SHARED = replace(MOUNTED, several_targets=True)
RAW = Access(block=True, filesystem=None)
SHARED_RAW = replace(RAW, several_targets=True)


@dataclass(slots=True)
class NodeHouse:
    """Paths are given as words below `kubelet`, the only target root."""

    pool: Pool
    mounter: Mounter
    kubelet: Path
    records: Path
    doors: Doors | None = None
    node: PoolNodeVolumes = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Play a new process of the driver."""
        roots = TargetRoots([self.kubelet])
        self.node = PoolNodeVolumes(self.pool, self.mounter, roots, self.records, doors=self.doors)

    def volume(self, name: str = "a", filesystem: str | None = "xfs", size: int = GIB) -> str:
        """Make a volume, give its handle."""
        made = self.pool.create_volume(NewVolume(name, Bytes(size), filesystem))
        return Handles(self.pool.id).of_volume(made.id)

    def id_of(self, handle: str) -> VolumeId:
        """Give the identity in a handle."""
        return Handles(self.pool.id).volume(handle)

    def at(self, word: str) -> Path:
        """Give a path."""
        return self.kubelet / word

    def stage(self, volume: str, at: str = "staging", access: Access = MOUNTED) -> None:
        """Stage a volume."""
        self.node.stage(StageRequest(volume, self.at(at), access))

    def unstage(self, volume: str, at: str = "staging") -> None:
        """Unstage a volume."""
        self.node.unstage(volume, self.at(at))

    def publish(
        self,
        volume: str,
        at: str = "pod/mount",
        access: Access = MOUNTED,
        *,
        readonly: bool = False,
        staging: str = "staging",
    ) -> None:
        """Publish a volume."""
        self.node.publish(PublishRequest(volume, self.at(staging), self.at(at), access, readonly))

    def unpublish(self, volume: str, at: str = "pod/mount") -> None:
        """Unpublish a volume."""
        self.node.unpublish(volume, self.at(at))

    def recorded(self) -> int:
        """Count the records."""
        return len(list(self.records.iterdir()))
