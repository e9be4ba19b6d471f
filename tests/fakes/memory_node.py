"""A node that keeps its mounts in memory, after the tables of CSI's spec for NodeStageVolume and NodePublishVolume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rokcsi.model.errors import NotStaged, StillInUse, TargetDiffers, VolumeNotFound
from rokcsi.model.node import PublishRequest, StageRequest, VolumeStats
from rokcsi.model.provisioner import Provisioner
from rokcsi.model.sizes import Bytes, SizeRange


@dataclass(slots=True)
class MemoryNodeVolumes:
    """Plays `NodeVolumes` over a provisioner.

    `asked` remembers every request; `before_stage` may wait, look around or raise.
    """

    provisioner: Provisioner
    staged: dict[str, StageRequest] = field(default_factory=dict)
    published: dict[Path, PublishRequest] = field(default_factory=dict)
    asked: list[object] = field(default_factory=list)
    before_stage: Callable[[], object] = list

    def stage(self, request: StageRequest) -> None:
        self.asked.append(request)
        self.before_stage()
        self.provisioner.volume(request.volume)
        if self.staged.setdefault(request.volume, request) != request:
            raise TargetDiffers(f"{request.volume} is staged in another way")

    def unstage(self, volume: str, staging: Path) -> None:
        self.provisioner.volume(volume)
        self.staged.pop(volume, None)

    def publish(self, request: PublishRequest) -> None:
        self.asked.append(request)
        self.provisioner.volume(request.volume)
        if request.volume not in self.staged:
            raise NotStaged(f"{request.volume} is not staged")
        present = self.published.get(request.target)
        if present is not None and present != request:
            raise TargetDiffers(f"{request.target} is published in another way")
        if present is None and self._elsewhere(request):
            raise StillInUse(f"{request.volume} is published at another path")
        self.published[request.target] = request

    def unpublish(self, volume: str, target: Path) -> None:
        self.provisioner.volume(volume)
        self.published.pop(target, None)

    def stats(self, volume: str, path: Path) -> VolumeStats:
        total = self.provisioner.volume(volume).size
        if path not in self.published:
            raise VolumeNotFound(f"{volume} is not at {path}")
        return VolumeStats(
            total, used=Bytes(4096), available=Bytes(total - 4096), inodes=64, inodes_used=3, inodes_free=61
        )

    def expand(self, volume: str, path: Path, size: SizeRange) -> Bytes:
        return self.provisioner.volume(volume).size

    def _elsewhere(self, request: PublishRequest) -> bool:
        others = [each for each in self.published.values() if each.volume == request.volume]
        return bool(others) and not request.access.several_targets
