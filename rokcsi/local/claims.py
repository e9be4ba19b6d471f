"""Claims: what external-provisioner does for a PersistentVolumeClaim, and undoes."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rokcsi.local.claim_records import ClaimRecord, ClaimState, claim_content, claim_record
from rokcsi.local.csi_client import CsiClient, VolumeOrder
from rokcsi.local.names import check_claim, check_name
from rokcsi.local.records import Shelf
from rokcsi.model.cluster import Claim, NewClaim
from rokcsi.model.errors import (
    Busy,
    InvalidRequest,
    OutOfRange,
    OutOfSpace,
    RecordExists,
    RecordNotFound,
    RokcsiError,
    SnapshotNotFound,
    StillInUse,
    Unavailable,
)
from rokcsi.system.failpoints import declare, failpoint

declare("local.claim.intended", "local.claim.provisioned", "local.claim.releasing", "local.claim.released")

_METADATA = "csi.storage.k8s.io"


class Claims:
    """The claims of one home folder; `users_of` gives the names of the pods that mount a claim."""

    def __init__(
        self, folder: Path, client: CsiClient, namespace: str, users_of: Callable[[str], Sequence[str]]
    ) -> None:
        self.shelf = Shelf(folder, claim_record, claim_content)
        self._client, self._namespace, self._users_of = client, namespace, users_of

    def create(self, new: NewClaim) -> Claim:
        """Provision a claim, or give the one provisioned before; raise RecordExists and what the driver says."""
        check_claim(new)
        new = replace(new, labels=dict(new.labels))
        with self.shelf.lock(new.name):
            record = self.shelf.read(new.name)
            if record is not None and record.state is ClaimState.RELEASING:
                self._release(record)
                record = None
            if record is None:
                record = self._intended(new)
            elif record.spec != new:
                raise RecordExists(f"claim {new.name!r} exists with another size, source or labels; delete it first")
            return self._bound(record).claim()

    def _intended(self, new: NewClaim) -> ClaimRecord:
        record = ClaimRecord(new, str(uuid.uuid4()), ClaimState.PENDING, dt.datetime.now(dt.UTC))
        self.shelf.write(new.name, record)
        failpoint("local.claim.intended")
        return record

    def _bound(self, record: ClaimRecord) -> ClaimRecord:
        if record.state is ClaimState.BOUND:
            return record
        started = time.monotonic()
        try:
            volume = self._client.create_volume(self._order(record))
        except (Busy, Unavailable):
            raise  # the volume may be there or not: the record stays, for a repetition or a deletion
        except RokcsiError:
            self.shelf.remove(record.spec.name)  # any other answer is final, and the driver has cleaned up
            raise
        failpoint("local.claim.provisioned")
        bound = replace(
            record,
            state=ClaimState.BOUND,
            volume=volume.handle,
            size=volume.size,
            context=volume.context,
            provisioning_seconds=time.monotonic() - started,
        )
        self.shelf.write(record.spec.name, bound)
        return bound

    def _order(self, record: ClaimRecord) -> VolumeOrder:
        spec = record.spec
        parameters = {
            f"{_METADATA}/pvc/name": spec.name,
            f"{_METADATA}/pvc/namespace": self._namespace,
            f"{_METADATA}/pv/name": record.volume_name,
        }
        return VolumeOrder(record.volume_name, spec.size, spec.filesystem, spec.from_snapshot, parameters)

    def record(self, name: str) -> ClaimRecord:
        """Give the record of a claim that is bound; raise RecordNotFound."""
        check_name("claim", name)
        record = self.shelf.read(name)
        if record is None or record.state is not ClaimState.BOUND:
            raise RecordNotFound(f"there is no claim {name!r}")
        return record

    def bound(self) -> list[Claim]:
        """Give all claims that are bound, ordered by name."""
        return [record.claim() for record in self.shelf.all() if record.state is ClaimState.BOUND]

    def delete(self, name: str) -> None:
        """Remove a claim and its volume, also one that was only begun; raise StillInUse."""
        check_name("claim", name)
        with self.shelf.lock(name):
            record = self.shelf.read(name)
            if record is None:
                return
            users = self._users_of(name)
            if users:
                raise StillInUse(f"claim {name!r} is mounted by the pod {users[0]!r}; delete the pod first")
            self._release(record)

    def _release(self, record: ClaimRecord) -> None:
        name = record.spec.name
        found = record if record.volume else self._found_again(record)
        if found is not None:
            self.shelf.write(name, replace(found, state=ClaimState.RELEASING))
            failpoint("local.claim.releasing")
            try:
                self._client.delete_volume(found.volume)
            except StillInUse:
                self.shelf.write(name, replace(found, state=ClaimState.BOUND))
                raise
            failpoint("local.claim.released")
        self.shelf.remove(name)

    def _found_again(self, record: ClaimRecord) -> ClaimRecord | None:
        """Learn the handle of a volume whose creation was cut short: CSI tells it only to whoever asks for it again."""
        try:
            volume = self._client.create_volume(self._order(record))
        except (InvalidRequest, OutOfSpace, OutOfRange, SnapshotNotFound):
            return None
        return replace(record, volume=volume.handle, size=volume.size, context=volume.context)
