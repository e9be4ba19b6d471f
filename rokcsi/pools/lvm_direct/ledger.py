"""What is in the pool: volumes, snapshots and their thin devices, in memory and in the journal alike.

Called by every other file of this folder. A thing is in the pool from the moment its entry
is durable: its thin device is made before, and removed after. What is to be removed is
written down as going in the same change that takes its entry away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rokcsi.model.errors import Damaged, SnapshotNotFound, SystemCallFailed, VolumeNotFound
from rokcsi.model.ids import VolumeId
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.index import Index
from rokcsi.pools.lvm_direct.device_ids import LEASE, DeviceIds
from rokcsi.pools.lvm_direct.entries import (
    LEASE_KEY,
    Entry,
    Id,
    entry_of,
    going_device,
    going_key,
    id_of,
    key_of,
    lease_of,
    lease_value,
    value_of,
)
from rokcsi.pools.lvm_direct.journal import Journal

_log = logging.getLogger(__name__)


class Ledger:
    """The pool's contents; `index` answers questions, and follows every change made here."""

    def __init__(self, journal: Journal) -> None:
        self.index = Index()
        self.complete = journal.missing == 0
        self._journal = journal
        self._devices: dict[Id, int] = {}
        self._going: set[int] = set()
        self._lease: list[int] = []
        self._mutex = threading.Lock()
        self._leasing = threading.Lock()
        for key, value in journal.state().items():
            self._read(key, value)
        self._ids = DeviceIds([*self._devices.values(), *self._going], self._lease)

    def device_of(self, id: Id) -> int:
        """Give the number of a thing's thin device; raise VolumeNotFound, SnapshotNotFound, Damaged."""
        try:
            return self._devices[id]
        except KeyError:
            return self._device_missing(id)

    def devices(self) -> Mapping[Id, int]:
        """Give the numbers of all thin devices that have an entry."""
        with self._mutex:
            return dict(self._devices)

    def going(self) -> Collection[int]:
        """Give the numbers of thin devices that are still to be removed."""
        with self._mutex:
            return set(self._going)

    def lease(self) -> Collection[int]:
        """Give the numbers of thin devices that may be there without an entry."""
        return set(self._lease)

    def take_devices(self, count: int) -> Sequence[int]:
        """Give numbers for new thin devices; raise PoolFull, SystemCallFailed."""
        while True:
            with self._mutex:
                if self._ids.free >= count:
                    return [self._ids.take() for _ in range(count)]
            with self._leasing:
                self._renew_lease(count)

    def give_back(self, devices: Iterable[int]) -> None:
        """Say that numbers that were taken belong to no device after all."""
        with self._mutex:
            for device in devices:
                self._ids.give_back(device)

    def put(self, entries: Sequence[Entry]) -> None:
        """Write entries, new ones or changed ones, all of them or none, and return when they are durable.

        Raises PoolFull, SystemCallFailed.
        """
        self._write({key_of(entry.thing.id): value_of(entry) for entry in entries})
        with self._mutex:
            for entry in entries:
                self._devices[entry.thing.id] = entry.device
                self._ids.settle(entry.device)
        for entry in entries:
            self._put_in_index(entry.thing)

    def remove(self, ids: Sequence[Id]) -> Sequence[int]:
        """Take entries away, all of them or none; give the numbers of their thin devices, which are going now.

        Raises SystemCallFailed.
        """
        devices = [self._devices[id_] for id_ in ids if id_ in self._devices]
        taken: dict[str, bytes | None] = {key_of(id_): None for id_ in ids}
        self._write(taken | {going_key(device): b"1" for device in devices})
        with self._mutex:
            self._going.update(devices)
            for id_ in ids:
                self._devices.pop(id_, None)
        for id_ in ids:
            self._drop_from_index(id_)
        return devices

    def gone(self, device: int) -> None:
        """Say that a thin device that was going is removed."""
        self._journal.write_with_the_next({going_key(device): None})
        with self._mutex:
            self._going.discard(device)
            self._ids.give_back(device)

    def meet(self, present: Collection[int]) -> None:
        """Hear which thin devices the pool has: set aside what has lost its own, and never use another's number."""
        with self._mutex:
            self._ids.avoid(present)
        for id_, device in self.devices().items():
            if device not in present:
                self.set_aside(id_, f"the thin device {device} of {id_} is not in the thin pool any more; delete it")

    def set_aside(self, id: Id, why: str) -> None:
        """Keep an entry of which the bytes or the description are lost: its id stays taken, and it can be deleted."""
        _log.warning("%s", why)
        self._drop_from_index(id)
        self.index.set_aside(id, why)

    def _write(self, changes: dict[str, bytes | None]) -> None:
        with _journalled("write the pool's records"):
            # A new lease travels along before the old one is used up, so that it costs no flush of its own.
            if self._ids.free >= LEASE // 2 or not self._leasing.acquire(blocking=False):
                self._journal.write(changes)
                return
            try:
                self._write_with_lease(changes)
            finally:
                self._leasing.release()

    def _renew_lease(self, count: int) -> None:
        if self._ids.free < count:
            with _journalled("lease numbers for thin devices"):
                self._write_with_lease({})

    def _write_with_lease(self, changes: dict[str, bytes | None]) -> None:
        with self._mutex:
            offered = self._ids.offer()
        self._journal.write(changes | {LEASE_KEY: lease_value(offered)})
        with self._mutex:
            self._lease = offered
            self._ids.lease(offered)

    def _read(self, key: str, value: bytes) -> None:
        id_, going = id_of(key), going_device(key)
        try:
            if id_ is not None:
                entry = entry_of(id_, value)
                self._devices[id_] = entry.device
                self._put_in_index(entry.thing)
            elif going is not None:
                self._going.add(going)
            elif key == LEASE_KEY:
                self._lease = lease_of(value)
        except Damaged as damage:
            self.complete = False
            if id_ is not None:
                self.set_aside(id_, str(damage))

    def _put_in_index(self, thing: Volume | Snapshot) -> None:
        if isinstance(thing, Volume):
            self.index.put_volume(thing)
        else:
            self.index.put_snapshot(thing)

    def _drop_from_index(self, id: Id) -> None:
        if isinstance(id, VolumeId):
            self.index.drop_volume(id)
        else:
            self.index.drop_snapshot(id)

    def _device_missing(self, id: Id) -> int:
        if isinstance(id, VolumeId):
            self.index.volume(id)
            raise VolumeNotFound(f"there is no volume {id} in this pool")
        self.index.snapshot(id)
        raise SnapshotNotFound(f"there is no snapshot {id} in this pool")


@contextmanager
def _journalled(deed: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SystemCallFailed(f"could not {deed}: {error.strerror}; `dmesg` may say why") from error
