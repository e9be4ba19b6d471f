"""Snapshots: cut at one instant, all of a call or none.

Called by the pool. All of a call are cut by one channel program, so in one transaction
group: ZFS itself sees to the instant and to all or none, for raw devices too. Mounted file
systems are frozen meanwhile, so that nothing in flight is missing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rokcsi.model.deadline import beyond_the_call
from rokcsi.model.errors import Busy, RokcsiError, SnapshotExists
from rokcsi.model.ids import SnapshotId
from rokcsi.model.snapshot import Consistency, NewSnapshot, Snapshot
from rokcsi.model.volume import Volume, no_labels
from rokcsi.pools.zfs.burial import Burial
from rokcsi.pools.zfs.parts import Parts
from rokcsi.pools.zfs.records import SNAPSHOT, snapshot_text
from rokcsi.pools.zfs.store import program
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.freezing import Freezer
from rokcsi.system.watchdog import FrozenPoint
from rokcsi.system.zfs_programs import Note
from rokcsi.system.zfs_refusals import ZfsRefusal, ZfsRefused
from rokcsi.system.zvols import is_claimed, number_of, write_out

_CUT = program("cut")

declare("zfs.cut.prepared", "zfs.cut.frozen", "zfs.cut.cut", "zfs.cut.thawed")


@dataclass(frozen=True, slots=True)
class _Source:
    """A volume about to be cut: where it is to be frozen, or its device when it is idle as far as we see.

    `idle` and `in_use` say what a snapshot of it is worth when nobody has it open at the instant, and when somebody has.
    """

    volume: Volume
    point: FrozenPoint | None = None
    idle_device: Path | None = None
    idle: Consistency = Consistency.FROZEN
    in_use: Consistency = Consistency.FROZEN


@dataclass(frozen=True, slots=True)
class _Target:
    """A snapshot to be cut: its place, and what it will be, as far as that is known before."""

    name: str
    source: _Source
    snapshot: Snapshot

    def seen(self, *, was_open: bool) -> Snapshot:
        """Give the snapshot as it is, now that it is known whether somebody had its volume open."""
        return replace(self.snapshot, consistency=self.source.in_use if was_open else self.source.idle)


class Cutting:
    """Takes a pool's snapshots; the index and the places follow."""

    def __init__(self, parts: Parts, burial: Burial, freezer: Freezer) -> None:
        self._store = parts.store
        self._index = parts.index
        self._places = parts.places
        self._attachments = parts.attachments
        self._burial = burial
        self._freezer = freezer
        self._unwanted: set[str] = set()

    def take(self, news: Sequence[NewSnapshot]) -> Sequence[Snapshot]:
        """Cut snapshots; raise VolumeNotFound, SnapshotExists, PoolFull, PoolAway, Busy, NotSupported."""
        self._refuse_taken(news)
        volumes = {new.volume: self._index.volume(new.volume) for new in news}
        sources = {id_: self._source(volume) for id_, volume in volumes.items()}
        now = dt.datetime.now(dt.UTC)
        targets = [self._target(new, sources[new.volume], now) for new in news]
        names = [target.name for target in targets]
        with self._store.changing("take snapshots", names):
            was_open, window = self._cut(targets)
            self._refuse_woken(targets, was_open)
        cut = {target.name: target.seen(was_open=target.name in was_open) for target in targets}
        return [self._put(name, replace(snapshot, freeze_window_seconds=window)) for name, snapshot in cut.items()]

    def settle(self) -> None:
        """Take away what a cut that failed may have left, or may leave yet."""
        unwanted = sorted(self._unwanted)
        if unwanted:
            self._burial.discard(unwanted)
            self._unwanted.difference_update(unwanted)

    def _cut(self, targets: Sequence[_Target]) -> tuple[Container[str], float]:
        """Cut at one instant; give which snapshots' volumes were open, and for how many seconds writers were held up."""
        points = {target.source.point for target in targets if target.source.point is not None}
        was_open: set[str] = set()
        self._store.make_ready()
        failpoint("zfs.cut.prepared")

        def deed() -> None:
            failpoint("zfs.cut.frozen")
            was_open.update(self._cut_now(targets))
            failpoint("zfs.cut.cut")

        try:
            window = self._freezer.cut_together(sorted(points, key=str), deed)
            failpoint("zfs.cut.thawed")
        except (ZfsRefused, SnapshotExists):
            raise
        except Exception:
            self._undo(targets)
            raise
        return was_open, round(window, 6)

    def _cut_now(self, targets: Sequence[_Target]) -> Iterable[str]:
        outcome = self._store.run(_CUT, [_wanted(target) for target in targets])
        for name, refusal in outcome.refusals().items():
            if refusal is ZfsRefusal.EXISTS:
                raise SnapshotExists(f"{name} is in the way of a snapshot; rename it, or remove it")
        outcome.raise_refusal()
        return outcome.open

    def _refuse_woken(self, targets: Sequence[_Target], was_open: Container[str]) -> None:
        """Raise Busy where a volume that was idle was mounted by the time of the cut: what was in flight is missing."""
        for target in targets:
            device = target.source.idle_device
            if device is not None and target.name in was_open and is_claimed(device):
                self._undo(targets)
                raise Busy("a volume was mounted while its snapshot was taken; try again")

    def _undo(self, targets: Sequence[_Target]) -> None:
        self._unwanted.update(target.name for target in targets)
        with suppress(RokcsiError), beyond_the_call():
            self.settle()

    def _refuse_taken(self, news: Sequence[NewSnapshot]) -> None:
        seen: set[SnapshotId] = set()
        for new in news:
            if new.id in seen or self._index.has_snapshot(new.id):
                raise SnapshotExists(f"a snapshot named {new.name!r} is in this pool already")
            seen.add(new.id)

    def _source(self, volume: Volume) -> _Source:
        device = self._attachments.device_of(volume.id)
        number = None if device is None else number_of(device)
        if device is None or number is None:
            return _Source(volume)
        point = self._freezer.point_of(number)
        if point is not None:
            return _Source(volume, FrozenPoint(number, point))
        # Not mounted where we can see it: a raw device, or a mount in another mount namespace.
        write_out(device)
        if volume.filesystem is None:
            return _Source(volume, in_use=Consistency.CRASH)
        if is_claimed(device):
            return _Source(volume, idle=Consistency.CRASH, in_use=Consistency.CRASH)
        return _Source(volume, idle_device=device)

    def _target(self, new: NewSnapshot, source: _Source, now: dt.datetime) -> _Target:
        return _Target(self._places.new_snapshot(new.volume, new.id), source, _snapshot(new, source.volume, now))

    def _put(self, name: str, snapshot: Snapshot) -> Snapshot:
        self._places.put_snapshot(snapshot.id, name)
        self._index.put_snapshot(snapshot)
        if snapshot.freeze_window_seconds:
            # How long it took is known only now, and is not worth a process and a transaction group of its own.
            self._store.note(Note(name, SNAPSHOT, snapshot_text(snapshot)))
        return snapshot


def _wanted(target: _Target) -> Mapping[str, str]:
    texts = [snapshot_text(target.seen(was_open=was_open)) for was_open in (False, True)]
    return {"name": target.name, "idle": texts[0], "in_use": texts[1]}


def _snapshot(new: NewSnapshot, volume: Volume, now: dt.datetime) -> Snapshot:
    return Snapshot(
        id=new.id,
        name=new.name,
        volume=volume.id,
        size=volume.size,
        filesystem=volume.filesystem,
        formatted=volume.formatted,
        created_at=now,
        group=new.group,
        labels=dict(new.labels) or no_labels(),
    )
