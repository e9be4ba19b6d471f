"""Volumes and snapshots taken away, in one channel program: all that is named, or nothing.

Called by the pool. What others need stays, marked: a volume with snapshots as a grave, a
snapshot with clones as a dead one (`zfs destroy -d`). ZFS lets go of such a snapshot with its
last clone, and the program of the deed that ends that takes the grave away with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rokcsi.model.errors import StillInUse
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.zfs.parts import Parts
from rokcsi.pools.zfs.store import Outcome, program
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.inotify import CLOSED, watching
from rokcsi.system.zfs_refusals import ZfsRefusal, ZfsRefused
from rokcsi.system.zvols import is_claimed

_BURY = program("bury")
_PASSERS_BY_SECONDS = 5.0

declare("zfs.delete.begun", "zfs.delete.buried", "zfs.delete-snapshots.buried")


class Burial:
    """Takes a pool's volumes and snapshots away; the index and the places follow."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._index = parts.index
        self._places = parts.places
        self._attachments = parts.attachments
        self._reserve = parts.reserve

    def volume(self, id: VolumeId) -> None:
        """Take a volume away; raise VolumeNotFound, StillInUse."""
        self._index.volume(id)
        dataset = self._places.volume(id)
        failpoint("zfs.delete.begun")
        with self._store.changing("delete a volume", [dataset]):
            outcome = self._buried_unless_held(dataset)
            failpoint("zfs.delete.buried")
        self._index.drop_volume(id)
        self._places.drop_volume(id)
        if self._reserve and dataset in outcome.left:
            self.release(dataset)

    def snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away; raise SnapshotNotFound before anything is gone, StillInUse."""
        going = {id_: self._places.snapshot(self._index.snapshot(id_).id) for id_ in ids}
        if not going:
            return
        with self._store.changing("delete snapshots", going.values()):
            outcome = self._bury(list(going.values()))
            busy = [name for name, refusal in outcome.refusals().items() if refusal is ZfsRefusal.BUSY]
            if busy:
                raise StillInUse(f"the snapshot {busy[0]} is being read (by `zfs send`, say); end that first")
            outcome.raise_refusal()
            failpoint("zfs.delete-snapshots.buried")
        for id_ in going:
            self._index.drop_snapshot(id_)
            self._places.drop_snapshot(id_)

    def discard(self, names: Sequence[str]) -> Sequence[str]:
        """Take away what was never finished, and graves that nobody needs, one by one; give what cannot go now."""
        if not names:
            return []
        with self._store.changing("clear what is left over", names):
            return [name for name in names if not self._discarded(name)]

    def _discarded(self, name: str) -> bool:
        if "@" in name:
            return not self._bury([name]).failed
        try:
            self._buried_unless_held(name)
        except (StillInUse, ZfsRefused):
            return False
        return True

    def release(self, grave: str) -> None:
        """Give the room back that a grave has set aside."""
        with self._store.changing("release a deleted volume's reservation", [grave]):
            self._store.zfs.set_properties(grave, {"refreservation": "none"})

    def _buried_unless_held(self, dataset: str) -> Outcome:
        """Bury a volume; raise StillInUse. Whoever only looks at its device, udev say, is waited for."""
        outcome = self._bury([dataset])
        if not outcome.failed:
            return outcome
        _refuse_beyond_busy(outcome)
        device = self._attachments.device_showing(dataset)
        if device is None:
            raise StillInUse(f"{dataset} is in use, though no device shows it; see who has it")
        return self._buried_when_closed(dataset, device)

    def _buried_when_closed(self, dataset: str, device: Path) -> Outcome:
        until = time.monotonic() + _PASSERS_BY_SECONDS
        while not is_claimed(device):
            with watching(device, CLOSED) as watch:
                outcome = self._bury([dataset])
                if not outcome.failed:
                    return outcome
                _refuse_beyond_busy(outcome)
                if not watch.await_event(until - time.monotonic()):
                    raise StillInUse(f"{dataset} is in use: a program has {device} open; end it first")
        raise StillInUse(f"{dataset} is in use: {device} is mounted, or held by a program; unmount it first")

    def _bury(self, names: Sequence[str]) -> Outcome:
        outcome = self._store.run(_BURY, list(names))
        if not outcome.failed:
            # What the program has looked at besides may be alive: the snapshot that a clone came from.
            dead = {*names, *self._places.dead()}
            self._places.drop_dead(outcome.gone)
            self._places.put_dead({name: used for name, used in outcome.left.items() if name in dead})
        return outcome


def _refuse_beyond_busy(outcome: Outcome) -> None:
    if set(outcome.refusals().values()) != {ZfsRefusal.BUSY}:
        outcome.raise_refusal()
