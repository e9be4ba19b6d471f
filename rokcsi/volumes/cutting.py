"""How snapshots are cut, alone and in groups, checked where asked, and groups removed.

A snapshot to be checked is labelled so when it is cut, and again when it has passed: a crash
in between, or a check that could not be made, makes the repeated call check it after all. One
that is damaged goes, and its whole group with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rokcsi.model.deadline import beyond_the_call
from rokcsi.model.errors import GroupNotFound, InvalidRequest, VolumeDamaged
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.provisioner import Verification
from rokcsi.model.snapshot import GroupMembership, NewSnapshot, Snapshot
from rokcsi.model.volume import Labels
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.naming import checked_name, member_name
from rokcsi.volumes.verification import Verifier

VERIFICATION = "verification"
_PENDING = "pending"
_PASSED = "passed"


class SnapshotCutter:
    """Cuts in a pool that answers repeated calls as the first (`IdempotentPool`)."""

    def __init__(self, pool: Pool, verifier: Verifier, locks: KeyedLocks) -> None:
        self._pool = pool
        self._verifier = verifier
        self._locks = locks

    def cut(self, name: str, volume: VolumeId, verify: Verification, labels: Labels) -> Snapshot:
        """Cut one snapshot; raise VolumeNotFound, SnapshotDiffers, VolumeDamaged, PoolFull."""
        new = NewSnapshot(checked_name(name), volume, labels=_with_verification(labels, verify))
        with self._locks.held([f"request {new.id}"]):
            return self._verified(self._pool.take_snapshots([new]))[0]

    def cut_group(
        self, name: str, labels: Mapping[VolumeId, Labels], verify: Verification, *, aligned: bool
    ) -> Sequence[Snapshot]:
        """Cut all these volumes at one instant, or none, each snapshot with its labels.

        Raises VolumeNotFound, GroupDiffers, VolumeDamaged, PoolFull, NotSupported.
        """
        group = GroupMembership.of_name(checked_name(name), len(labels))
        news = [
            NewSnapshot(member_name(group.id, volume), volume, group, _with_verification(said, verify))
            for volume, said in labels.items()
        ]
        with self._locks.held([f"request {group.id}"]):
            return self._verified(self._pool.take_snapshots(news, aligned=aligned))

    def remove_group(self, id: GroupId, named: Sequence[SnapshotId]) -> None:
        """Remove all members; nothing happens when they are gone. Raises InvalidRequest when `named` are others."""
        with self._locks.held([f"request {id}"]):
            try:
                members = {snapshot.id for snapshot in self._pool.group(id)}
            except GroupNotFound:
                return
            if named and set(named) != members:
                raise InvalidRequest(
                    f"the group has {len(members)} members, and those named are not the same; name all of them, or none"
                )
            self._pool.delete_snapshots(sorted(members))

    def _verified(self, snapshots: Sequence[Snapshot]) -> Sequence[Snapshot]:
        if not any(_is_pending(snapshot) for snapshot in snapshots):
            return snapshots
        try:
            for snapshot in snapshots:
                self._verifier.check(snapshot)
        except VolumeDamaged:
            with beyond_the_call():
                self._pool.delete_snapshots([snapshot.id for snapshot in snapshots])
            raise
        return [self._pool.label_snapshot(snapshot.id, {VERIFICATION: _PASSED}) for snapshot in snapshots]


def _with_verification(labels: Labels, verify: Verification) -> Labels:
    return {**labels, VERIFICATION: _PENDING} if verify is Verification.CHECK else labels


def _is_pending(snapshot: Snapshot) -> bool:
    return snapshot.labels.get(VERIFICATION) == _PENDING
