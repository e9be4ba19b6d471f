"""Showing a staged volume to pods, each at its own path.

What a second publish gets is CSI's table (spec.md, NodePublishVolume): the same arguments at
the same path are answered again, other arguments there are refused as taken, and another
path is welcome only where the access mode says so.

A raw device can be made read-only only as a whole (BLKROSET): a read-only mount of its node
stops nobody from writing, and a second, read-only loop device would be a second cache over
the same bytes. So all publishes of a raw volume at one time are of one kind.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, NotStaged, RokcsiError, StillInUse, TargetDiffers
from rokcsi.model.ids import VolumeId
from rokcsi.model.node import PublishRequest
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.volumes.node_side import NodeSide
from rokcsi.volumes.records import Published, Staged
from rokcsi.volumes.suiting import is_readonly, suited_to_staged

declare("node.publish.recorded", "node.publish.bound", "node.unpublish.unmounted")


class Publishing:
    """Publishes and unpublishes; only what a record, or the volume's own device, shows to be ours is unmounted."""

    def __init__(self, node: NodeSide) -> None:
        self._node = node

    def publish(self, request: PublishRequest) -> None:
        """Show the volume at `target`; raise VolumeNotFound, NotStaged, TargetDiffers, StillInUse, InvalidRequest."""
        identity = self._node.handles.volume(request.volume)
        path, staging = self._node.roots.checked(request.target), self._node.roots.checked(request.staging)
        with self._node.alone(identity, path):
            staged = self._staged(identity, staging)
            access = suited_to_staged(staged, request.access)
            wanted = Published(identity, path, access, staged.device, staging, request.readonly, request.pod)
            if not self._is_published(wanted):
                shown = self._is_shown(wanted)
                self._refuse_second_target(wanted)
                self._publish(wanted, shown=shown)

    def unpublish(self, handle: str, target: Path) -> None:
        """Unmount and remove the path; nothing happens when that is done already. Raises VolumeNotFound, StillInUse."""
        identity = self._node.handles.volume(handle)
        path = self._node.roots.checked(target)
        with self._node.alone(identity, path):
            record = self._node.records.published_at(identity, path)
            if record is None:
                self._unpublish_unrecorded(identity, path)
                return
            self._hide(record)
            failpoint("node.unpublish.unmounted")
            self._node.records.remove(record)

    def _staged(self, id: VolumeId, staging: Path) -> Staged:
        record = self._node.records.staged_at(id, staging)
        if record is None:
            self._node.volume(id)
            raise NotStaged(f"the volume {id} is not staged at {staging}; call NodeStageVolume first")
        return record

    def _is_published(self, wanted: Published) -> bool:
        record = self._node.records.published_at(wanted.volume, wanted.path)
        if record is None or not self._node.holds(record):
            return False
        if not record.is_like(wanted):
            raise TargetDiffers(f"{wanted.path} shows the volume already, in another way; unpublish it there first")
        if not wanted.access.block and _is_readonly(wanted):
            # A crash may have come between the mount and its being made read-only.
            found = self._node.mounter.mounted(wanted.path)
            if found is None or not found.readonly:
                self._node.mounter.unmount(wanted.path)
                return False
        return True

    def _is_shown(self, wanted: Published) -> bool:
        """Tell whether the path shows the volume, as asked for, although there is no record of it; refuse anything else."""
        path, records = wanted.path, self._node.records
        if path == wanted.staging or records.above(path) is not None:
            raise InvalidRequest(f"the target {path} lies inside a volume that is mounted here; choose another")
        found = self._node.mounter.mounted(path)
        if found is None:
            return False
        ours = self._node.mounter.shows(path, wanted.device) and not records.others_at(wanted.volume, path)
        if not ours or found.readonly != (_is_readonly(wanted) and not wanted.access.block):
            raise TargetDiffers(f"something else ({found.filesystem}) is mounted at {path}; unmount it first")
        return True

    def _refuse_second_target(self, wanted: Published) -> None:
        for other in self._node.published_elsewhere(wanted.volume, wanted.path):
            if not self._node.holds(other):
                continue
            if not (wanted.access.several_targets and other.access.several_targets):
                raise StillInUse(f"the volume is published at {other.path}, and its access mode allows one path only")
            if wanted.access.block and _is_readonly(other) != _is_readonly(wanted):
                now = "read-only" if _is_readonly(other) else "writable"
                raise StillInUse(f"the raw device is {now} at {other.path}; it cannot be both at one time")

    def _publish(self, wanted: Published, *, shown: bool) -> None:
        self._node.records.add(wanted)
        try:
            failpoint("node.publish.recorded")
            if wanted.access.block or not shown:
                self._show(wanted)
            failpoint("node.publish.bound")
        except BaseException:
            with suppress(RokcsiError):
                self._hide(wanted)
            self._node.records.remove(wanted)
            raise

    def _show(self, wanted: Published) -> None:
        mounter, readonly = self._node.mounter, _is_readonly(wanted)
        if wanted.access.block:
            if self._node.pool.attached(wanted.volume) != wanted.device:
                raise NotStaged(f"the volume {wanted.volume} is no longer attached as {wanted.device}; stage it again")
            mounter.bind_device(wanted.device, wanted.path, readonly=readonly)
        else:
            mounter.bind(wanted.device, wanted.staging, wanted.path, readonly=readonly, options=wanted.access.options)

    def _hide(self, record: Published) -> None:
        self._node.mounter.unmount(record.path)
        others = self._node.published_elsewhere(record.volume, record.path)
        if record.access.block and _is_readonly(record) and not any(self._node.holds(other) for other in others):
            self._node.mounter.release_device(record.device)

    def _unpublish_unrecorded(self, id: VolumeId, path: Path) -> None:
        """Tidy up after a reboot or a lost record: an empty path, or a mount of this very volume, and nothing else.

        Raises StillInUse for any other mount: a caller who was told "done" would delete the volume that it may be of.
        """
        self._node.volume(id)
        if self._node.records.staged_at(id, path) is not None:
            raise InvalidRequest(f"{path} is where the volume is staged; call NodeUnstageVolume for it")
        device, found = self._node.pool.attached(id), self._node.mounter.mounted(path)
        if found is None:
            if not self._node.records.others_at(id, path):
                with suppress(StillInUse):
                    self._node.mounter.unmount(path)
        elif device is not None and self._node.mounter.shows(path, device):
            self._node.mounter.unmount(path)
        else:
            raise StillInUse(
                f"something else ({found.filesystem}) is mounted at {path} than the volume {id}; unmount it by hand"
            )


def _is_readonly(record: Published) -> bool:
    return is_readonly(record.access, readonly=record.readonly)
