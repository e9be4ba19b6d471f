"""Snapshots cut at one instant: all of a call, or none.

Called by the pool. Before the window the targets are opened; inside it there are only the
reflinks; after it each snapshot is described and named, and one flush makes all of them
durable. The snapshots of one call carry the call's batch: where a crash has left some of a
batch, nobody was ever told of it (or somebody was deleting it whole), and opening the pool
removes the rest. Before a part of a batch is deleted, the others are described anew: as one of which any number may be left.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rokcsi.model.errors import Busy, NotSupported, SnapshotExists
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.snapshot import Consistency, NewSnapshot, Snapshot
from rokcsi.model.volume import Volume, no_labels
from rokcsi.pools.index import Index
from rokcsi.pools.loopfile.attachments import Attachments
from rokcsi.pools.loopfile.batches import Batches
from rokcsi.pools.loopfile.disk import SNAPSHOT_MODE, Disk, closing, on_disk, opened
from rokcsi.pools.loopfile.extents import copy_ahead
from rokcsi.pools.loopfile.records import ATTRIBUTE, Batch, StoredSnapshot, snapshot_text
from rokcsi.system import loops
from rokcsi.system.crew import Deed
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.freezing import Freezer, FrozenCut
from rokcsi.system.ioctls import clone_file
from rokcsi.system.linking import give_name, unnamed_file
from rokcsi.system.loops import LoopDevice

declare("loopfile.cut.prepared", "loopfile.cut.frozen", "loopfile.cut.copied", "loopfile.cut.thawed")
declare("loopfile.cut.named", "loopfile.cut.flushed")
declare("loopfile.describe-snapshot.written", "loopfile.describe-snapshot.flushed")
declare("loopfile.delete-snapshots.settled", "loopfile.delete-snapshots.unlinked", "loopfile.delete-snapshots.flushed")
declare("loopfile.reconcile.discarded")


@dataclass(frozen=True, slots=True)
class _Source:
    """A volume about to be cut: its open file, whether it may be written now, and where it is to be frozen.

    `idle` is its loop when nobody has that mounted.
    """

    file: int
    attached: bool = False
    point: Path | None = None
    device: int = 0
    consistency: Consistency = Consistency.FROZEN
    idle: LoopDevice | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """A snapshot that has no name yet."""

    new: NewSnapshot
    volume: Volume
    file: int


class Cutting:
    """Takes, describes and deletes a pool's snapshots; the index follows."""

    def __init__(self, disk: Disk, index: Index, batches: Batches, attachments: Attachments, freezer: Freezer) -> None:
        self._disk = disk
        self._index = index
        self._batches = batches
        self._attachments = attachments
        self._freezer = freezer

    def take(self, news: Sequence[NewSnapshot], *, aligned: bool) -> Sequence[Snapshot]:
        """Cut snapshots; raise VolumeNotFound, SnapshotExists, NotSupported, PoolFull, Busy."""
        self._refuse_taken(news)
        volumes = {new.volume: self._index.volume(new.volume) for new in news}
        with ExitStack() as stack, on_disk("take snapshots"):
            sources = {id_: self._source(volume, stack) for id_, volume in volumes.items()}
            targets = [self._target(new, volumes[new.volume], stack) for new in news]
            together = _refuse_apart(sources.values(), aligned=aligned)
            window = self._cut(sources, targets)
            now = dt.datetime.now(dt.UTC)
            batch = Batch(os.urandom(6).hex(), len(news)) if len(news) > 1 else None
            consistency = {id_: _consistency(source, together=together) for id_, source in sources.items()}
            cut = [_snapshot(target, consistency[target.volume.id], window, now) for target in targets]
            return self._keep(targets, [StoredSnapshot(snapshot, batch) for snapshot in cut])

    def describe(self, snapshot: Snapshot) -> Snapshot:
        """Write down what a snapshot has become, and make that durable."""
        stored = replace(self._batches.stored(snapshot.id), snapshot=snapshot)
        with on_disk("describe the snapshot"), opened(self._disk.snapshot(snapshot.id)) as fd:
            os.setxattr(fd, ATTRIBUTE, snapshot_text(stored))
            failpoint("loopfile.describe-snapshot.written")
            os.fsync(fd)
            failpoint("loopfile.describe-snapshot.flushed")
        self._batches.put(stored)
        return snapshot

    def delete(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away; raise SnapshotNotFound before anything is gone."""
        going = {id_: self._batches.stored(id_) for id_ in ids}
        with on_disk("delete snapshots"):
            self._settle_those_left(going)
            self._unlink(going)

    def discard_incomplete(self) -> list[SnapshotId]:
        """Remove what a crash has left of batches; give what that was. Called while the pool is opened.

        Nothing is removed while a snapshot's record cannot be read: it may be the missing one of a
        batch. (No crash makes such a file: it has its record before its name.)
        """
        if self._index.damaged_snapshots:
            return []
        incomplete = [batch for batch in self._batches.all() if len(self._batches.members(batch)) < batch.count]
        going = [stored.snapshot.id for batch in incomplete for stored in self._batches.members(batch)]
        if going:
            with on_disk("discard incomplete groups"):
                self._unlink(going)
            failpoint("loopfile.reconcile.discarded")
        return going

    def _refuse_taken(self, news: Sequence[NewSnapshot]) -> None:
        seen: set[SnapshotId] = set()
        for new in news:
            if new.id in seen or self._index.has_snapshot(new.id):
                raise SnapshotExists(f"a snapshot named {new.name!r} is in this pool already")
            seen.add(new.id)

    def _source(self, volume: Volume, stack: ExitStack) -> _Source:
        file = stack.enter_context(opened(self._disk.volume(volume.id)))
        loop = self._attachments.loop_of(volume.id)
        if loop is None:
            return _Source(file)
        point = self._freezer.point_of(loop.device)
        if point is not None:
            return _Source(file, attached=True, point=point, device=loop.device)
        # Not mounted where we can see it: a raw device, or a mount in another mount namespace.
        loops.flush(loop)
        idle = volume.filesystem is not None and not loops.is_claimed(loop)
        if idle:
            return _Source(file, attached=True, idle=loop)
        return _Source(file, attached=True, consistency=Consistency.CRASH)

    def _target(self, new: NewSnapshot, volume: Volume, stack: ExitStack) -> _Target:
        return _Target(new, volume, stack.enter_context(closing(unnamed_file(self._disk.snapshots, SNAPSHOT_MODE))))

    def _cut(self, sources: Mapping[VolumeId, _Source], targets: Sequence[_Target]) -> float:
        """Copy every source into its targets at one instant; give for how long writers were held up, in seconds."""
        cuts = []
        for id_, source in sources.items():
            files = [target.file for target in targets if target.volume.id == id_]
            if source.attached:
                for file in files:
                    copy_ahead(file, source.file)
            cuts.append(FrozenCut(_copying(source.file, files), source.point, source.device))
        failpoint("loopfile.cut.prepared")
        window = self._freezer.cut(cuts)
        failpoint("loopfile.cut.thawed")
        if any(source.idle is not None and loops.is_claimed(source.idle) for source in sources.values()):
            raise Busy("a volume was mounted while its snapshot was taken; try again")
        return round(window, 6)

    def _keep(self, targets: Sequence[_Target], snapshots: Sequence[StoredSnapshot]) -> Sequence[Snapshot]:
        named = []
        try:
            for target, stored in zip(targets, snapshots, strict=True):
                os.setxattr(target.file, ATTRIBUTE, snapshot_text(stored))
                give_name(target.file, self._disk.snapshot(stored.snapshot.id))
                named.append(stored.snapshot.id)
                failpoint("loopfile.cut.named")
            self._disk.flush_up_to(targets[-1].file)
        except BaseException:
            with suppress(OSError):
                self._unlink(named)
            raise
        failpoint("loopfile.cut.flushed")
        for stored in snapshots:
            self._batches.put(stored)
        return [stored.snapshot for stored in snapshots]

    def _settle_those_left(self, going: dict[SnapshotId, StoredSnapshot]) -> None:
        """Let those that stay vouch for each other: the first one written down does so for all, wherever a crash comes."""
        batches = {stored.batch.id: stored.batch for stored in going.values() if stored.batch is not None}
        left = [
            (batch, stored)
            for batch in batches.values()
            for stored in self._batches.members(batch)
            if stored.snapshot.id not in going and stored.batch != Batch(batch.id, 1)
        ]
        for batch, stored in left:
            settled = replace(stored, batch=Batch(batch.id, 1))
            with opened(self._disk.snapshot(stored.snapshot.id)) as fd:
                os.setxattr(fd, ATTRIBUTE, snapshot_text(settled))
            self._batches.put(settled)
            failpoint("loopfile.delete-snapshots.settled")
        if left and not self._disk.ordered:
            # Elsewhere than in an ordered log, the unlinking might be on the disk before the settling.
            self._disk.flush_names(self._disk.snapshots)

    def _unlink(self, ids: Iterable[SnapshotId]) -> None:
        gone = list(ids)
        for id_ in gone:
            self._disk.snapshot(id_).unlink(missing_ok=True)
            failpoint("loopfile.delete-snapshots.unlinked")
        self._disk.flush_names(self._disk.snapshots)
        failpoint("loopfile.delete-snapshots.flushed")
        # Not before the flush: a call repeated after a failed one has to flush again.
        for id_ in gone:
            self._batches.drop(id_)


def _refuse_apart(sources: Iterable[_Source], *, aligned: bool) -> bool:
    """Tell whether all can be cut at one instant; raise NotSupported when they cannot and must be.

    One that cannot be frozen is cut while the others are; between two of them time passes.
    """
    unstoppable = sum(source.consistency is Consistency.CRASH for source in sources)
    if unstoppable > 1 and aligned:
        raise NotSupported(
            f"{unstoppable} of these volumes are in use as raw block devices, which this pool cannot cut at one instant; "
            "snapshot them one by one, stop their writers, or let the class allow unaligned groups"
        )
    return unstoppable <= 1


def _copying(source: int, targets: Sequence[int]) -> Deed:
    def copy() -> None:
        failpoint("loopfile.cut.frozen")
        for target in targets:
            clone_file(target, source)
            failpoint("loopfile.cut.copied")

    return copy


def _consistency(source: _Source, *, together: bool) -> Consistency:
    return Consistency.SHARED if source.consistency is Consistency.CRASH and not together else source.consistency


def _snapshot(target: _Target, consistency: Consistency, window: float, now: dt.datetime) -> Snapshot:
    new, volume = target.new, target.volume
    return Snapshot(
        id=new.id,
        name=new.name,
        volume=volume.id,
        size=volume.size,
        filesystem=volume.filesystem,
        formatted=volume.formatted,
        created_at=now,
        group=new.group,
        consistency=consistency,
        freeze_window_seconds=window,
        labels=dict(new.labels) or no_labels(),
    )
