"""What the CSI node service asks for: a volume made visible to pods on this node.

Spoken by `csi/`, carried out by `volumes/` over a pool and a `Mounter`. Paths are the
callers' and are trusted only after they were opened beneath a target root.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rokcsi.model.ids import VolumeId
from rokcsi.model.sizes import Bytes, SizeRange


@dataclass(frozen=True, slots=True)
class Access:
    """How a volume is to be used: as a raw device (`filesystem` None and `block`), or mounted.

    `options` are mount options as the class gave them, checked against an allow-list;
    `single_writer` allows one target path only (SINGLE_NODE_SINGLE_WRITER);
    `several_targets` tells whether a second target path is welcome (SINGLE_NODE_MULTI_WRITER
    and the readers of one node, MULTI_NODE_* on this one node).
    """

    block: bool
    filesystem: str | None
    readonly: bool = False
    options: tuple[str, ...] = ()
    several_targets: bool = False
    group_id: int | None = None  # VOLUME_MOUNT_GROUP is not claimed: always None today


@dataclass(frozen=True, slots=True)
class StageRequest:
    """Make the volume ready once for this node, at `staging`."""

    volume: str
    staging: Path
    access: Access


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """Show the volume to one pod at `target`; `staging` as in the stage before it.

    `pod` is what kubelet tells of the pod (podInfoOnMount), {} where it tells nothing:
    keys csi.storage.k8s.io/pod.{name,namespace,uid}.
    """

    volume: str
    staging: Path
    target: Path
    access: Access
    readonly: bool
    pod: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class VolumeStats:
    """What is used of a volume: bytes and inodes; a raw block volume has only its `total` bytes."""

    total: Bytes
    used: Bytes | None = None
    available: Bytes | None = None
    inodes: int | None = None
    inodes_used: int | None = None
    inodes_free: int | None = None


class NodeUsage(Protocol):
    """Knows which volumes are used on this node: asked before one is taken away."""

    def unused(self, volume: VolumeId) -> AbstractContextManager[None]:
        """Keep a volume from being staged or published for a block; raise StillInUse where it is now."""


class NodeVolumes(Protocol):
    """Everything may be asked twice; nothing but the named path is ever changed."""

    def stage(self, request: StageRequest) -> None:
        """Attach, make the file system if there never was one, grow it to the volume, mount at `staging`.

        Raises VolumeNotFound, TargetDiffers, InvalidRequest, StillInUse.
        """

    def unstage(self, volume: str, staging: Path) -> None:
        """Undo `stage`; nothing happens when it is undone already. Raises VolumeNotFound, StillInUse."""

    def publish(self, request: PublishRequest) -> None:
        """Bind the staged volume to the pod's path; raise VolumeNotFound, TargetDiffers, StillInUse (a second target not welcome)."""

    def unpublish(self, volume: str, target: Path) -> None:
        """Undo `publish` and remove the path; nothing happens when it is undone already. Raises VolumeNotFound."""

    def stats(self, volume: str, path: Path) -> VolumeStats:
        """What is used of the volume mounted at `path`; raise VolumeNotFound."""

    def expand(self, volume: str, path: Path, size: SizeRange) -> Bytes:
        """Grow the file system at `path` to its volume, mounted as it is; give the volume's size.

        Raises VolumeNotFound, OutOfRange, StillInUse (where only the next stage can grow it).
        """
