"""A call's attempt to make logical volumes: all of them, or none is left.

Called by whoever makes some, with LVM's turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rokcsi.model.deadline import beyond_the_call
from rokcsi.model.errors import Busy, Conflict, SnapshotExists, VolumeExists
from rokcsi.model.ids import SnapshotId
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.mending import Mending
from rokcsi.pools.lvm.names import id_in
from rokcsi.pools.lvm.reading import PoolReader
from rokcsi.system.lvm import Lvm
from rokcsi.system.lvm_refusals import LvmRefused, Reason


@dataclass(frozen=True, slots=True)
class Attempts:
    """Undoes what has failed."""

    access: PoolAccess
    reader: PoolReader
    mending: Mending

    @contextmanager
    def attempt(self, lvm: Lvm) -> Iterator[list[str]]:
        """Take away what the block has made when it fails; before it makes something, it adds the name to the list given.

        Raises VolumeExists or SnapshotExists where something of the name is in the way, and
        Busy where that was a call's that never ended.
        """
        begun: list[str] = []
        try:
            yield begun
        except LvmRefused as refused:
            taken = begun.pop() if refused.reason is Reason.EXISTS else None
            self._undo(lvm, begun)
            if taken is None:
                raise
            raise self._in_the_way(lvm, taken) from refused
        except BaseException:
            self._undo(lvm, begun)
            raise

    def _undo(self, lvm: Lvm, begun: list[str]) -> None:
        with beyond_the_call():
            self.mending.undo(lvm, begun)

    def _in_the_way(self, lvm: Lvm, name: str) -> Conflict | Busy:
        """Take in what is there, if it is a whole one of ours that we did not know of; give what to tell the caller."""
        report = self.mending.mend(lvm, lvm.report())
        unanswered = self.reader.read(report, only=name)
        if unanswered:
            lvm.remove(unanswered)
        if unanswered or report.volume(name) is None:
            return Busy(f"{name} was left half made by a call before, and is gone now; try again")
        kind = SnapshotExists if isinstance(id_in(name), SnapshotId) else VolumeExists
        return kind(f"the logical volume {self.access.group}/{name} is in the way; rename it, or choose another name")
