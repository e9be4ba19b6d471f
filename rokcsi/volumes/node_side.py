"""What staging, publishing and asking share on a node: the pool, the mounter, the records, the locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.ids import Handles, VolumeId
from rokcsi.model.mounter import Mounter
from rokcsi.model.pool import Pool
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.locks import KeyedLocks
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

    def holds(self, record: Record) -> bool:
        """Tell whether what a record says is so: the device is seen at the path.

        A raw block volume leaves nothing at its staging path; its record is all there is.
        """
        if isinstance(record, Staged) and record.access.block:
            return True
        return self.mounter.shows(record.path, record.device)

    def published_elsewhere(self, volume: VolumeId, path: Path) -> list[Published]:
        """Give the records of where else a volume is published; what they say may be over."""
        return [record for record in self.records.published(volume) if record.path != path]

    def drop_what_is_over(self) -> None:
        """Forget the records whose mounts are gone; called at start, before anything is asked."""
        for record in self.records:
            try:
                over = not self.holds(record)
            except InvalidRequest:
                # The target roots are others than when it was made: nobody can ask for this path any more.
                over = True
            if over:
                self.records.remove(record)
