"""Volumes as files: made, cloned, grown, described, taken away.

Called by the pool. A volume is made without a name, filled, described and then named, and
one fsync makes all of that durable: a crash leaves the whole volume or nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Callable
from contextlib import suppress

from rokcsi.model.errors import SizeOutOfRange, SourceTooLarge, VolumeExists
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import NewVolume, Volume, no_labels
from rokcsi.pools.index import Index
from rokcsi.pools.loopfile.attachments import Attachments
from rokcsi.pools.loopfile.disk import Disk, closing, on_disk, opened
from rokcsi.pools.loopfile.records import ATTRIBUTE, volume_text
from rokcsi.pools.loopfile.templates import Templates
from rokcsi.system import loops
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.ioctls import clone_file
from rokcsi.system.linking import give_name, unnamed_file

ALLOCATION_UNIT = Bytes(4096)
LARGEST = Bytes(1 << 50)
_BOUNDARIES = ("filled", "described", "named", "flushed")

declare(*(f"loopfile.{operation}.{boundary}" for operation in ("create", "clone") for boundary in _BOUNDARIES))
declare("loopfile.grow.lengthened", "loopfile.grow.shown", "loopfile.grow.flushed")
declare("loopfile.describe.written", "loopfile.describe.flushed")
declare("loopfile.delete.detached", "loopfile.delete.unlinked", "loopfile.delete.flushed")


class VolumeFiles:
    """The files of a pool's volumes; the index follows them."""

    def __init__(self, disk: Disk, index: Index, attachments: Attachments, templates: Templates) -> None:
        self._disk = disk
        self._index = index
        self._attachments = attachments
        self._templates = templates

    def create(self, new: NewVolume) -> Volume:
        """Make an empty volume, its file system on it; raise VolumeExists, SizeOutOfRange, NotSupported, PoolFull."""
        self._refuse_taken(new)
        _refuse_impossible(new.size)
        volume = _volume(new, formatted=new.filesystem is not None)
        if new.filesystem is None:
            return self._made(volume, "create", lambda fd: os.ftruncate(fd, new.size))
        with self._templates.opened(new.filesystem, new.size) as template:
            return self._made(volume, "create", lambda fd: clone_file(fd, template))

    def clone(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot; raise SnapshotNotFound, VolumeExists, SourceTooLarge, PoolFull."""
        source = self._index.snapshot(id)
        self._refuse_taken(new)
        if new.size < source.size:
            raise SourceTooLarge(
                f"the snapshot is {source.size}, the volume asked for {new.size}; ask for {source.size}"
            )
        _refuse_impossible(new.size)
        volume = _volume(new, formatted=source.formatted)
        with on_disk("open the snapshot"), opened(self._disk.snapshot(id)) as snapshot:

            def fill(fd: int) -> None:
                clone_file(fd, snapshot)
                if new.size > source.size:
                    os.ftruncate(fd, new.size)

            return self._made(volume, "clone", fill)

    def grow(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume and its block device larger; raise VolumeNotFound, SizeOutOfRange, PoolFull."""
        volume = self._index.volume(id)
        if size < volume.size:
            raise SizeOutOfRange(f"the volume has {volume.size} and never shrinks to {size}")
        _refuse_impossible(size)
        grown = dataclasses.replace(volume, size=size)
        with on_disk(f"grow a volume to {size}"), opened(self._disk.volume(id), os.O_RDWR) as fd:
            os.ftruncate(fd, size)
            failpoint("loopfile.grow.lengthened")
            loop = self._attachments.loop_of(id)
            if loop is not None:
                loops.grow(loop)
            failpoint("loopfile.grow.shown")
            os.fsync(fd)
            failpoint("loopfile.grow.flushed")
        self._index.put_volume(grown)
        return grown

    def describe(self, volume: Volume) -> Volume:
        """Write down what a volume has become; raise PoolFull, SystemCallFailed."""
        with on_disk("describe the volume"), opened(self._disk.volume(volume.id)) as fd:
            os.setxattr(fd, ATTRIBUTE, volume_text(volume))
            failpoint("loopfile.describe.written")
            os.fsync(fd)
            failpoint("loopfile.describe.flushed")
        self._index.put_volume(volume)
        return volume

    def delete(self, id: VolumeId) -> None:
        """Take a volume away; raise VolumeNotFound, StillInUse."""
        self._index.volume(id)
        self._attachments.detach(id)
        failpoint("loopfile.delete.detached")
        with on_disk("delete a volume"):
            self._disk.volume(id).unlink(missing_ok=True)
            failpoint("loopfile.delete.unlinked")
            self._disk.flush_names(self._disk.volumes)
            failpoint("loopfile.delete.flushed")
        # Not before the flush: a call repeated after a failed one has to flush again.
        self._index.drop_volume(id)

    def _refuse_taken(self, new: NewVolume) -> None:
        if self._index.has_volume(new.id):
            raise VolumeExists(f"a volume named {new.name!r} is in this pool already")

    def _made(self, volume: Volume, operation: str, fill: Callable[[int], None]) -> Volume:
        path = self._disk.volume(volume.id)
        with on_disk(f"make a volume of {volume.size}"), closing(unnamed_file(self._disk.volumes)) as fd:
            fill(fd)
            failpoint(f"loopfile.{operation}.filled")
            os.setxattr(fd, ATTRIBUTE, volume_text(volume))
            failpoint(f"loopfile.{operation}.described")
            try:
                give_name(fd, path)
            except FileExistsError as error:
                raise VolumeExists(f"the file {path} is in the way of the volume {volume.name!r}") from error
            failpoint(f"loopfile.{operation}.named")
            try:
                os.fsync(fd)
            except OSError:
                with suppress(OSError):
                    path.unlink()
                raise
            failpoint(f"loopfile.{operation}.flushed")
        self._index.put_volume(volume)
        return volume


def _volume(new: NewVolume, *, formatted: bool) -> Volume:
    return Volume(
        id=new.id,
        name=new.name,
        size=new.size,
        filesystem=new.filesystem,
        formatted=formatted,
        source=new.source,
        created_at=dt.datetime.now(dt.UTC),
        labels=dict(new.labels) or no_labels(),
        tuning=new.tuning,
    )


def _refuse_impossible(size: Bytes) -> None:
    if size > LARGEST:
        raise SizeOutOfRange(f"this pool makes no volume larger than {LARGEST}; ask for less than {size}")
    if size == 0 or size % ALLOCATION_UNIT:
        raise SizeOutOfRange(f"a volume's size is a multiple of {ALLOCATION_UNIT} here, not {int(size)} bytes")
