"""Volumes made, cloned and described.

Called by the pool. ZFS sets a volume's record in the call that makes it, as the last thing of
all: a volume with a record is complete, and one without was never finished.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager

from rokcsi.model.deadline import beyond_the_call
from rokcsi.model.errors import InvalidRequest, SizeOutOfRange, SourceTooLarge, VolumeExists
from rokcsi.model.ids import SnapshotId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import NewVolume, Volume, no_labels
from rokcsi.pools.zfs.burial import Burial
from rokcsi.pools.zfs.parts import Parts
from rokcsi.pools.zfs.records import SNAPSHOT, VOLUME, snapshot_text, volume_text
from rokcsi.pools.zfs.store import program
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.zfs import Properties
from rokcsi.system.zfs_refusals import ZfsRefusal, ZfsRefused

ALLOCATION_UNIT = Bytes(128 << 10)  # a multiple of every volblocksize up to the largest that ZFS has by default
LARGEST = Bytes(1 << 50)
BLOCK = Bytes(16 << 10)
SMALLEST_BLOCK = Bytes(4 << 10)
_COMPRESSION = re.compile(r"on|off|lz4|zle|lzjb|gzip(-[1-9])?|zstd(-([1-9]|1[0-9]))?|zstd-fast(-[1-9][0-9]{0,3})?")
_CLONE, _DESCRIBE = program("clone"), program("describe")

declare("zfs.create.made", "zfs.clone.made", "zfs.describe.written")


class Making:
    """Makes a pool's volumes; the index and the places follow."""

    def __init__(self, parts: Parts, burial: Burial) -> None:
        self._store = parts.store
        self._index = parts.index
        self._places = parts.places
        self._burial = burial
        self._reserve = parts.reserve
        self._programs_clone = parts.programs_clone

    def create(self, new: NewVolume) -> Volume:
        """Make an empty volume; raise VolumeExists, SizeOutOfRange, PoolFull, PoolAway."""
        self._refuse_taken(new)
        refuse_impossible(new.size)
        _refuse_untunable(new)
        volume = _volume(new, formatted=False)
        dataset = self._places.new_volume(new.id)
        block = {"volblocksize": str(int(new.tuning.block_size or BLOCK))}
        properties = {**block, **_compression(new), VOLUME: volume_text(volume)}
        with self._store.changing(f"make a volume of {new.size}", [dataset]), self._whole(dataset):
            self._store.zfs.create_volume(dataset, new.size, properties)
            failpoint("zfs.create.made")
            self._set_aside(dataset)
        return self._put(volume, dataset)

    def clone(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot; raise SnapshotNotFound, VolumeExists, SourceTooLarge, PoolFull."""
        source = self._index.snapshot(id)
        self._refuse_taken(new)
        if new.size < source.size:
            raise SourceTooLarge(
                f"the snapshot is {source.size}, the volume asked for {new.size}; ask for {source.size}"
            )
        refuse_impossible(new.size)
        _refuse_untunable(new)
        volume = _volume(new, formatted=source.formatted)
        dataset = self._places.new_volume(new.id)
        with self._store.changing(f"clone a volume of {new.size}", [dataset]), self._whole(dataset):
            self._clone(self._places.snapshot(id), dataset, _properties_of_clone(volume, source, new))
            failpoint("zfs.clone.made")
            self._set_aside(dataset)
        return self._put(volume, dataset)

    def describe_volume(self, volume: Volume) -> Volume:
        """Write down what a volume has become; raise PoolFull, PoolAway, ToolFailed."""
        self._describe(self._places.volume(volume.id), VOLUME, volume_text(volume))
        self._index.put_volume(volume)
        return volume

    def describe_snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Write down what a snapshot has become; raise PoolFull, PoolAway, ToolFailed."""
        self._describe(self._places.snapshot(snapshot.id), SNAPSHOT, snapshot_text(snapshot))
        self._index.put_snapshot(snapshot)
        return snapshot

    def _clone(self, snapshot: str, dataset: str, properties: Properties) -> None:
        """Clone by a program where ZFS can do that and nothing is asked for but the record; else by the command."""
        if set(properties) == {VOLUME} and self._programs_clone and not self._reserve:
            arguments = {"snapshot": snapshot, "name": dataset, "record": properties[VOLUME]}
            self._store.run(_CLONE, arguments).raise_refusal()
        else:
            self._store.zfs.clone(snapshot, dataset, properties)

    def _describe(self, name: str, key: str, text: str) -> None:
        with self._store.changing("describe a volume or snapshot", [name]):
            self._store.run(_DESCRIBE, [{"name": name, "property": key, "value": text}]).raise_refusal()
            failpoint("zfs.describe.written")

    def _set_aside(self, dataset: str) -> None:
        if self._reserve:
            self._store.zfs.set_properties(dataset, {"refreservation": "auto"})

    @contextmanager
    def _whole(self, dataset: str) -> Iterator[None]:
        """Make a volume within a block: what ZFS refuses half way is taken away again; VolumeExists where a stranger is there."""
        try:
            yield
        except ZfsRefused as refusal:
            if refusal.refusal is ZfsRefusal.EXISTS:
                raise VolumeExists(f"{dataset} is in the way of a volume; rename it, or remove it") from refusal
            with beyond_the_call():
                self._store.doubt(self._burial.discard([dataset]))
            raise

    def _refuse_taken(self, new: NewVolume) -> None:
        if self._index.has_volume(new.id):
            raise VolumeExists(f"a volume named {new.name!r} is in this pool already")

    def _put(self, volume: Volume, dataset: str) -> Volume:
        self._places.put_volume(volume.id, dataset)
        self._index.put_volume(volume)
        return volume


def _properties_of_clone(volume: Volume, source: Snapshot, new: NewVolume) -> Properties:
    size = {"volsize": str(int(volume.size))} if volume.size > source.size else {}
    return {**size, **_compression(new), VOLUME: volume_text(volume)}


def _compression(new: NewVolume) -> Properties:
    return {} if new.tuning.compression is None else {"compression": new.tuning.compression}


def _refuse_untunable(new: NewVolume) -> None:
    size, compression = new.tuning.block_size, new.tuning.compression
    if size is not None and (size & (size - 1) or not SMALLEST_BLOCK <= size <= ALLOCATION_UNIT):
        raise InvalidRequest(
            f"a block size here is a power of two from {SMALLEST_BLOCK} to {ALLOCATION_UNIT}, not {size}"
        )
    if compression is not None and _COMPRESSION.fullmatch(compression) is None:
        raise InvalidRequest(
            f"ZFS knows no compression {compression!r}; choose off, on, lz4, zle, lzjb, gzip, zstd or zstd-fast"
        )


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


def refuse_impossible(size: Bytes) -> None:
    """Raise SizeOutOfRange for a size that no volume here can have."""
    if size > LARGEST:
        raise SizeOutOfRange(f"this pool makes no volume larger than {LARGEST}; ask for less than {size}")
    if size == 0 or size % ALLOCATION_UNIT:
        raise SizeOutOfRange(f"a volume's size is a multiple of {ALLOCATION_UNIT} here, not {int(size)} bytes")
