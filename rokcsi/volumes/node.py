"""The node's part of a volume's life, over any pool: see `rokcsi.model.node.NodeVolumes`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from rokcsi.model.doorkeeper import Doors
from rokcsi.model.errors import InvalidRequest, NotSupported, OutOfRange, StillInUse, VolumeNotFound
from rokcsi.model.ids import Handles, VolumeId
from rokcsi.model.mounter import Mounter
from rokcsi.model.node import PublishRequest, StageRequest, VolumeStats
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.node_side import NodeSide
from rokcsi.volumes.publishing import Publishing
from rokcsi.volumes.records import NodeRecords, Published, Record, Staged
from rokcsi.volumes.staging import Staging
from rokcsi.volumes.trimming import Trimming
from rokcsi.volumes.visits import GuardedPublishing

declare("node.expand.grown")


class PoolNodeVolumes:
    """Shows the volumes of one pool to the pods of this node.

    `records` is a folder of this pool's own, on tmpfs; it is made when missing. `locks` may
    be shared with others: its keys are `node …` and `path …`. With `trim`, unstaging gives the
    space of deleted files back to the pool. With `doors`, somebody is asked at both ends of a
    pod's visit.
    """

    def __init__(
        self,
        pool: Pool,
        mounter: Mounter,
        roots: TargetRoots,
        records: Path,
        locks: KeyedLocks | None = None,
        *,
        trim: bool = True,
        doors: Doors | None = None,
    ) -> None:
        self._node = NodeSide(pool, Handles(pool.id), mounter, roots, NodeRecords(records), locks or KeyedLocks())
        self._node.drop_what_is_over()
        self._trimming = Trimming(self._node)
        self._staging = Staging(self._node, self._trimming if trim else None)
        publishing = Publishing(self._node)
        self._publishing = publishing if doors is None else GuardedPublishing(publishing, self._node, doors)

    def stage(self, request: StageRequest) -> None:
        """Make the volume ready; raise VolumeNotFound, TargetDiffers, InvalidRequest, StillInUse."""
        self._staging.stage(request)

    def unstage(self, volume: str, staging: Path) -> None:
        """Undo `stage`; raise VolumeNotFound, StillInUse."""
        self._staging.unstage(volume, staging)

    def publish(self, request: PublishRequest) -> None:
        """Show the volume to a pod; raise VolumeNotFound, NotStaged, TargetDiffers, StillInUse, InvalidRequest."""
        self._publishing.publish(request)

    def unpublish(self, volume: str, target: Path) -> None:
        """Undo `publish`; raise VolumeNotFound, StillInUse."""
        self._publishing.unpublish(volume, target)

    def unused(self, volume: VolumeId) -> AbstractContextManager[None]:
        """Keep a volume from being staged or published for a block; raise StillInUse where it is now."""
        return self._node.unused(volume)

    def stats(self, volume: str, path: Path) -> VolumeStats:
        """What is used of the volume at `path`; raise VolumeNotFound."""
        identity = self._node.handles.volume(volume)
        record = self._shown_once_more(identity, path) or self._record(identity, path)
        if record.access.block:
            return VolumeStats(total=self._node.mounter.device_size(record.device))
        return self._node.mounter.stats(record.path)

    def expand(self, volume: str, path: Path, size: SizeRange) -> Bytes:
        """Grow the file system to its volume; raise VolumeNotFound, OutOfRange, StillInUse."""
        identity = self._node.handles.volume(volume)
        wanted = self._node.volume(identity)
        record = self._record(identity, path)
        with self._node.alone(identity, record.path):
            if not size.admits(wanted.size):
                raise OutOfRange(
                    f"the volume has {int(wanted.size)} bytes, which the asked range excludes; expand it first"
                )
            if record.access.block:
                return self._node.mounter.device_size(record.device)
            self._grow(record)
        return wanted.size

    def trim_staged(self, go_on: Callable[[], bool]) -> None:
        """Give the space of deleted files in all staged volumes back to the pool, while `go_on` says so; raise nothing of ours."""
        self._trimming.trim_staged(go_on)

    def _grow(self, record: Record) -> None:
        # The staged mount is the writable one: a pod's may be read-only, and refuses to grow.
        path = record.path if isinstance(record, Staged) else record.staging
        try:
            self._node.mounter.grow(record.device, path, record.access.filesystem or "")
        except NotSupported as failure:
            raise StillInUse(str(failure)) from failure
        failpoint("node.expand.grown")

    def _shown_once_more(self, id: VolumeId, path: Path) -> Published | None:
        """Give the record of a raw volume that is seen at a path not ours: kubelet binds it there, and asks there."""
        raw = [record for record in self._node.records.published(id) if record.access.block]
        with suppress(InvalidRequest):
            real = self._node.roots.known_as(path)
            return next((record for record in raw if self._node.mounter.shows(real, record.device)), None)
        return None

    def _record(self, id: VolumeId, path: Path) -> Record:
        record = self._node.records.at(id, self._node.roots.known_as(path))
        if record is None or not self._node.holds(record):
            self._node.volume(id)
            raise VolumeNotFound(f"the volume {id} is not mounted at {path}; ask at one of its own paths")
        return record
