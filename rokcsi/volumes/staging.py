"""Making a volume ready once for a node: attach, format if it never was, mount, grow.

The file system is always mounted writable, also for readers: the log of a snapshot of a
mounted volume has to be replayed before anybody can read it. Readers get a read-only view
when the volume is published to them.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rokcsi.model.errors import (
    Damaged,
    NotSupported,
    RokcsiError,
    StillInUse,
    TargetDiffers,
    VolumeDamaged,
    VolumeNotFound,
)
from rokcsi.model.ids import VolumeId
from rokcsi.model.mounter import Mount
from rokcsi.model.node import Access, StageRequest
from rokcsi.model.pool import Pool
from rokcsi.model.volume import Volume
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.volumes.node_side import NodeSide
from rokcsi.volumes.records import Staged
from rokcsi.volumes.suiting import suited
from rokcsi.volumes.trimming import Trimming

declare("node.stage.attached", "node.stage.recorded", "node.stage.formatted", "node.stage.mounted")
declare("node.unstage.unmounted", "node.unstage.detached")


class Staging:
    """Stages and unstages; a volume may be staged at several paths, and stays attached until the last is gone."""

    def __init__(self, node: NodeSide, trimming: Trimming | None = None) -> None:
        self._node = node
        self._trimming = trimming

    def stage(self, request: StageRequest) -> None:
        """Make the volume ready at `staging`; raise VolumeNotFound, TargetDiffers, InvalidRequest, StillInUse."""
        identity = self._node.handles.volume(request.volume)
        path = self._node.roots.checked(request.staging)
        with self._node.alone(identity, path):
            volume = self._node.volume(identity)
            access = suited(volume, request.access)
            if not self._is_staged(identity, path, access):
                self._refuse_conflicts(identity, path, access)
                # No cut comes between attaching and mounting: it would take the volume for one that nobody writes.
                with self._node.pool.holding(identity) as pool:
                    self._stage(pool, volume, path, access)

    def unstage(self, handle: str, staging: Path) -> None:
        """Unmount, and detach when it is staged nowhere else; raise VolumeNotFound, StillInUse."""
        identity = self._node.handles.volume(handle)
        path = self._node.roots.checked(staging)
        with self._node.alone(identity, path):
            record = self._node.records.staged_at(identity, path)
            last = all(other.path == path for other in self._node.records.staged(identity))
            block = self._node.volume(identity).filesystem is None if record is None else record.access.block
            if last:
                self._refuse_published(identity)
            if record is not None and last and self._trimming is not None:
                self._trimming.trim_last(record)
            with self._node.pool.holding(identity) as pool:
                if block and last:
                    self._node.refuse_held(pool, identity)
                self._unstage(pool, identity, path, record, last=last)

    def _unstage(self, pool: Pool, id: VolumeId, path: Path, record: Staged | None, *, last: bool) -> None:
        if record is not None or self._is_ours_unrecorded(pool, id, path):
            self._node.mounter.unmount(path, remove=False)
        failpoint("node.unstage.unmounted")
        if last:
            with suppress(VolumeNotFound):
                pool.detach(id)
        failpoint("node.unstage.detached")
        if record is not None:
            self._node.records.remove(record)

    def _is_staged(self, id: VolumeId, path: Path, access: Access) -> bool:
        record = self._node.records.staged_at(id, path)
        if record is None or not self._node.holds(record):
            return False
        if record.access != access:
            raise TargetDiffers(f"the volume {id} is staged at {path} already, in another way; unstage it there first")
        return not access.block

    def _refuse_conflicts(self, id: VolumeId, path: Path, access: Access) -> None:
        if any(self._node.holds(other) for other in self._node.records.others_at(id, path)):
            raise TargetDiffers(f"{path} shows another volume; choose another staging path")
        if self._node.records.above(path) is not None or self._node.records.published_at(id, path) is not None:
            raise TargetDiffers(f"{path} lies inside a volume that is mounted here; choose another staging path")
        for other in self._node.records.staged(id):
            if other.path != path and other.access != access and self._node.holds(other):
                raise StillInUse(f"the volume {id} is staged at {other.path} in another way; unstage it there first")

    def _stage(self, pool: Pool, volume: Volume, path: Path, access: Access) -> None:
        found = self._node.mounter.mounted(path)
        device = pool.attach(volume.id)
        try:
            failpoint("node.stage.attached")
            self._refuse_foreign(found, path, device)
            self._node.records.add(Staged(volume.id, path, access, device))
            failpoint("node.stage.recorded")
            if access.filesystem is not None:
                self._mount(pool, volume, device, path, access)
            else:
                self._make_writable(volume.id, device)
            failpoint("node.stage.mounted")
        except BaseException:
            self._undo(pool, volume.id, path, device)
            raise

    def _refuse_foreign(self, found: Mount | None, path: Path, device: Path) -> None:
        if found is not None and not self._node.mounter.shows(path, device):
            raise TargetDiffers(f"something else ({found.filesystem}) is mounted at {path}; unmount it first")

    def _mount(self, pool: Pool, volume: Volume, device: Path, path: Path, access: Access) -> None:
        mounter, filesystem = self._node.mounter, access.filesystem or ""
        if not volume.formatted and volume.source is None:
            self._format(pool, volume.id, device, filesystem)
        may_be_small = mounter.grow_unmounted(device, filesystem)
        try:
            mounter.mount(device, path, filesystem, readonly=False, options=access.options)
        except Damaged as failure:
            found = mounter.found_filesystem(device)
            if found == filesystem:
                raise
            raise VolumeDamaged(
                f"the volume {volume.id} cannot be mounted as {filesystem}: it holds {found or 'no known file system'}; "
                "no file system is ever made over a volume's contents"
            ) from failure
        if may_be_small:
            with suppress(NotSupported):
                mounter.grow(device, path, filesystem)

    def _make_writable(self, id: VolumeId, device: Path) -> None:
        """End what a driver killed before its last unpublish left: a device that refuses writing, for nobody's sake."""
        if not any(self._node.holds(record) for record in self._node.records.published(id)):
            self._node.mounter.release_device(device)

    def _format(self, pool: Pool, id: VolumeId, device: Path, filesystem: str) -> None:
        found = self._node.mounter.found_filesystem(device)
        if found is None:
            self._node.mounter.release_device(device)
            self._node.mounter.make_filesystem(device, filesystem)
            failpoint("node.stage.formatted")
        elif found != filesystem:
            raise StillInUse(f"the volume {id} holds {found} instead of nothing; it is not formatted as {filesystem}")
        pool.mark_formatted(id)

    def _undo(self, pool: Pool, id: VolumeId, path: Path, device: Path) -> None:
        with suppress(RokcsiError):
            if self._node.mounter.shows(path, device):
                self._node.mounter.unmount(path, remove=False)
            record, published = self._node.records.staged_at(id, path), self._node.records.published(id)
            shown = any(other.staging == path and self._node.holds(other) for other in published)
            if record is not None and not shown:  # else it was staged before, and a pod has it
                self._node.records.remove(record)
            if not self._node.records.staged(id):
                self._node.refuse_held(pool, id)
                pool.detach(id)

    def _refuse_published(self, id: VolumeId) -> None:
        for record in self._node.records.published(id):
            if self._node.holds(record):
                raise StillInUse(f"the volume {id} is published at {record.path}; unpublish it there first")

    def _is_ours_unrecorded(self, pool: Pool, id: VolumeId, path: Path) -> bool:
        """Tell whether the volume is mounted at a path although its record was lost."""
        device = pool.attached(id)
        return device is not None and self._node.mounter.shows(path, device)
