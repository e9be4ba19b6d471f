"""What staging, publishing and asking share on a node: the pool, the mounter, the records, the locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, StillInUse, VolumeNotFound
from rokcsi.model.ids import Handles, VolumeId
from rokcsi.model.mounter import Mounter
from rokcsi.model.pool import Pool
from rokcsi.model.volume import Volume
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.naming import is_transient
from rokcsi.volumes.records import NodeRecords, Published, Record, Staged


@dataclass(frozen=True, slots=True)
class NodeSide:
    """The parts that a node's work is done with; `handles` reads the handles of this pool only."""

    pool: Pool
    handles: Handles
    mounter: Mounter
    roots: TargetRoots
    records: NodeRecords
    locks: KeyedLocks

    @contextmanager
    def alone(self, volume: VolumeId, path: Path) -> Iterator[None]:
        """Keep others away from a volume on this node, and from a path."""
        with self.locks.held([f"node {volume}", f"path {path}"]):
            yield

    @contextmanager
    def unused(self, volume: VolumeId) -> Iterator[None]:
        """Keep a volume from being staged or published for a block; raise StillInUse where it is now."""
        with self.locks.held([f"node {volume}"]):
            for record in self.records.of(volume):
                if self.holds(record):
                    is_now, undo = ("staged", "unstage") if isinstance(record, Staged) else ("published", "unpublish")
                    raise StillInUse(f"the volume {volume} is {is_now} at {record.path}; {undo} it there first")
            with self.pool.holding(volume) as pool:
                self.refuse_held(pool, volume)
            yield

    def refuse_held(self, pool: Pool, volume: VolumeId) -> None:
        """Raise StillInUse while somebody has a volume's device, whatever the records say: it may be another volume's next."""
        device = pool.attached(volume)
        holder = None if device is None else self.mounter.holder(device)
        if holder is not None:
            raise StillInUse(f"the volume {volume} is attached as {device}, and {holder}; unpublish it there first")

    def volume(self, id: VolumeId) -> Volume:
        """Give one volume; raise VolumeNotFound, also for one that is only made on the way to something else."""
        volume = self.pool.volume(id)
        if is_transient(volume.name):
            raise VolumeNotFound(f"there is no volume {id}")
        return volume

    def holds(self, record: Record) -> bool:
        """Tell whether what a record says is so: the device is seen at the path.

        A raw block volume leaves nothing at its staging path: it is staged as long as it is attached.
        """
        if _is_staged_raw(record):
            return self.pool.attached(record.volume) == record.device
        return self.mounter.shows(record.path, record.device)

    def published_elsewhere(self, volume: VolumeId, path: Path) -> list[Published]:
        """Give the records of where else a volume is published; what they say may be over."""
        return [record for record in self.records.published(volume) if record.path != path]

    def drop_what_is_over(self) -> None:
        """Forget the records whose mounts are gone; called at start, before anything is asked.

        A volume of which nothing is seen here may be mounted in another mount namespace, the last driver's.
        """
        held: dict[Record, bool] = {}
        for record in self.records:
            try:
                held[record] = self.holds(record)
            except InvalidRequest:
                # The target roots are others than when it was made: nobody can ask for this path any more.
                self.records.remove(record)
        seen = {record.volume for record, is_held in held.items() if is_held and not _is_staged_raw(record)}
        for record, is_held in held.items():
            if not is_held and (record.volume in seen or not self._may_be_elsewhere(record)):
                self.records.remove(record)

    def _may_be_elsewhere(self, record: Record) -> bool:
        attached = self.pool.attached(record.volume) == record.device
        return attached and self.mounter.holder(record.device) is not None


def _is_staged_raw(record: Record) -> bool:
    return isinstance(record, Staged) and record.access.block
