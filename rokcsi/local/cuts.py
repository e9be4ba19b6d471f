"""Cuts: what external-snapshotter does for a VolumeGroupSnapshot, and undoes."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rokcsi.local.claim_records import CutRecord, cut_content, cut_record
from rokcsi.local.claims import Claims
from rokcsi.local.csi_client import CsiClient, DescribedSnapshot, SnapshotGroup
from rokcsi.local.names import check_name
from rokcsi.local.records import Shelf
from rokcsi.model.cluster import UNLABELLED, ClaimSnapshot, Cut, CutLabels, LabelledCut, LabelledSnapshot
from rokcsi.model.errors import (
    Busy,
    Damaged,
    GroupNotFound,
    InvalidRequest,
    RecordExists,
    RokcsiError,
    SnapshotNotFound,
    Unavailable,
    VolumeNotFound,
)
from rokcsi.model.provisioner import SaidOfGroup
from rokcsi.system.failpoints import declare, failpoint

declare("local.cut.intended", "local.cut.taken", "local.cut.removing", "local.cut.removed")

_METADATA = "csi.storage.k8s.io/volumegroupsnapshot"


class Cuts:
    """The cuts of one home folder."""

    def __init__(self, folder: Path, client: CsiClient, namespace: str, claims: Claims) -> None:
        self.shelf = Shelf(folder, cut_record, cut_content)
        self._client, self._namespace, self._claims = client, namespace, claims

    def take(self, name: str, claims: Sequence[str], labels: CutLabels = UNLABELLED) -> Cut:
        """Snapshot these claims at one instant, or give the cut taken before; raise RecordExists and what the driver says."""
        check_name("cut", name)
        if not claims or len(set(claims)) != len(claims):
            raise InvalidRequest(f"cut {name!r}: name each claim that is to be snapshotted once, and at least one")
        with self.shelf.lock(name):
            record = self.shelf.read(name)
            if record is not None and record.removing:
                self._remove(record)
                record = None
            if record is None:
                record = self._intended(name, claims)
            elif set(record.claims) != set(claims):
                raise RecordExists(
                    f"cut {name!r} exists, of the claims {', '.join(record.claims)}; choose another name"
                )
            return record.cut or self._taken(record, labels)

    def _intended(self, name: str, claims: Sequence[str]) -> CutRecord:
        volumes = tuple(self._claims.record(claim).volume for claim in claims)
        record = CutRecord(name, str(uuid.uuid4()), tuple(claims), volumes)
        self.shelf.write(name, record)
        failpoint("local.cut.intended")
        return record

    def _taken(self, record: CutRecord, labels: CutLabels) -> Cut:
        try:
            group = self._ask(record, labels)
        except (Busy, Unavailable):
            raise  # it may be taken or not: the record stays, for a repetition or a deletion
        except RokcsiError:
            self.shelf.remove(record.name)
            raise
        failpoint("local.cut.taken")
        cut = _cut(record, group)
        self.shelf.write(record.name, replace(record, cut=cut))
        return cut

    def _ask(self, record: CutRecord, labels: CutLabels = UNLABELLED) -> SnapshotGroup:
        parameters = {
            f"{_METADATA}/name": record.name,
            f"{_METADATA}/namespace": self._namespace,
            f"{_METADATA}content/name": record.group_name,
        }
        handles = dict(zip(record.claims, record.volumes, strict=True))
        said = SaidOfGroup({handles[claim]: own for claim, own in labels.of_claims.items()}, labels.of_all)
        return self._client.cut(record.group_name, record.volumes, parameters, said)

    def labelled(self) -> list[LabelledCut]:
        """Give all cuts that the driver knows of, the oldest first, with what was said of them."""
        groups: dict[str, list[DescribedSnapshot]] = defaultdict(list)
        for group, handle in self._client.members_of_groups():
            with suppress(SnapshotNotFound):  # it was deleted since the list was given
                groups[group].append(self._client.snapshot(handle))
        found = [_labelled(group, members) for group, members in groups.items() if members]
        return sorted(found, key=lambda cut: cut.created_at)

    def delete(self, handle: str) -> None:
        """Remove a cut by its handle, with its snapshots; nothing happens when it is gone."""
        for record in self.shelf.all():
            if record.cut is not None and record.cut.handle == handle:
                self.forget(record.name)
                return
        try:
            group = self._client.group(handle)  # one that this folder has no record of any more
        except GroupNotFound:
            return
        self._client.delete_group(handle, [member.snapshot for member in group.members])

    def forget(self, name: str) -> None:
        """Remove a cut by its name, also one that was only begun."""
        with self.shelf.lock(name):
            record = self.shelf.read(name)
            if record is not None:
                self._remove(record)

    def _remove(self, record: CutRecord) -> None:
        cut = record.cut or self._found_again(record)
        if cut is not None:
            self.shelf.write(record.name, replace(record, cut=cut, removing=True))
            failpoint("local.cut.removing")
            self._client.delete_group(cut.handle, [member.snapshot for member in cut.snapshots])
            failpoint("local.cut.removed")
        self.shelf.remove(record.name)

    def _found_again(self, record: CutRecord) -> Cut | None:
        """Learn the handle of a group whose creation was cut short: CSI tells it only to whoever asks for it again."""
        try:
            return _cut(record, self._ask(record))
        except VolumeNotFound:
            return None


def _labelled(group: str, members: Sequence[DescribedSnapshot]) -> LabelledCut:
    snapshots = (
        LabelledSnapshot(each.handle, each.volume, each.size, each.consistency, each.freeze_window_seconds, each.labels)
        for each in members
    )
    return LabelledCut(group, max(each.created_at for each in members), tuple(snapshots))


def _cut(record: CutRecord, group: SnapshotGroup) -> Cut:
    members = {member.volume: member for member in group.members}
    if set(members) != set(record.volumes):
        raise Damaged(f"the driver gave other snapshots than asked for with the group {record.group_name}")
    found = [(claim, members[volume]) for claim, volume in zip(record.claims, record.volumes, strict=True)]
    return Cut(
        name=record.name,
        handle=group.handle,
        created_at=group.created_at,
        snapshots=tuple(
            ClaimSnapshot(claim, member.snapshot, member.size, group.consistency) for claim, member in found
        ),
        freeze_window_seconds=group.freeze_window_seconds,
    )
