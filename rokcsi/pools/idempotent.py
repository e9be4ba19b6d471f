"""The wrapper that forgives repetition: the second answer is the first one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rokcsi.model.errors import (
    GroupDiffers,
    GroupNotFound,
    SnapshotDiffers,
    SnapshotNotFound,
    VolumeDiffers,
    VolumeNotFound,
)
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.snapshot import GroupMembership, NewSnapshot, Snapshot
from rokcsi.model.volume import NewVolume, Volume
from rokcsi.pools.wrapper import PoolWrapper


class IdempotentPool(PoolWrapper):
    """Answers a repeated call as the first time, and refuses one that asks for something else by the same name.

    A volume is the same when size, file system, source and tuning are; a snapshot when its volume
    and group are; a group when its members are. Labels do not count: they may have changed
    since. What is gone is deleted: deleting it again does nothing.
    """

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume, or give the one made before; raise VolumeDiffers, SizeOutOfRange, PoolFull."""
        return self._same_volume(new) or self._inner.create_volume(new)

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Clone a snapshot, or give the clone made before, even when the snapshot is gone by now.

        Raises VolumeDiffers, SnapshotNotFound, SourceTooLarge, PoolFull.
        """
        return self._same_volume(new) or self._inner.clone_snapshot(id, new)

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away; nothing happens when it is gone. Raises StillInUse."""
        if self._volume(id) is not None:
            self._inner.delete_volume(id)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut these snapshots, or give those cut before, even when their volumes are gone by now.

        Raises SnapshotDiffers, GroupDiffers, VolumeNotFound, PoolFull, NotSupported.
        """
        self._refuse_other_groups(news)
        found = [snapshot for new in news if (snapshot := self._same_snapshot(new)) is not None]
        if not found:
            return self._inner.take_snapshots(news, aligned=aligned)
        if len(found) < len(news):
            raise SnapshotDiffers(
                f"{len(found)} of these {len(news)} snapshots exist already; take the others under a new name"
            )
        return found

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away; those that are gone are passed over."""
        there = [id_ for id_ in ids if self._snapshot(id_) is not None]
        if there:
            self._inner.delete_snapshots(there)

    def _same_volume(self, new: NewVolume) -> Volume | None:
        volume = self._volume(new.id)
        if volume is None:
            return None
        for word, there, wished in (
            ("size", volume.size, new.size),
            ("file system", volume.filesystem, new.filesystem),
            ("source", volume.source, new.source),
            ("tuning", volume.tuning, new.tuning),
        ):
            if there != wished:
                raise VolumeDiffers(
                    f"a volume named {new.name!r} exists with another {word} ({there}, not {wished}); choose another name"
                )
        return volume

    def _same_snapshot(self, new: NewSnapshot) -> Snapshot | None:
        snapshot = self._snapshot(new.id)
        if snapshot is not None and (snapshot.volume, snapshot.group) != (new.volume, new.group):
            raise SnapshotDiffers(
                f"a snapshot named {new.name!r} exists of volume {snapshot.volume}; choose another name"
            )
        return snapshot

    def _refuse_other_groups(self, news: Sequence[NewSnapshot]) -> None:
        wished: dict[GroupMembership, set[SnapshotId]] = {}
        for new in news:
            if new.group is not None:
                wished.setdefault(new.group, set()).add(new.id)
        for group, members in wished.items():
            there = {member.id for member in self._group(group.id)}
            if there and there != members:
                raise GroupDiffers(f"a group named {group.name!r} exists with other members; choose another name")

    def _volume(self, id: VolumeId) -> Volume | None:
        try:
            return self._inner.volume(id)
        except VolumeNotFound:
            return None

    def _snapshot(self, id: SnapshotId) -> Snapshot | None:
        try:
            return self._inner.snapshot(id)
        except SnapshotNotFound:
            return None

    def _group(self, id: GroupId) -> Sequence[Snapshot]:
        try:
            return self._inner.group(id)
        except GroupNotFound:
            return ()
