"""What a crash, or a stranger, has left below the pool's dataset, and how it is taken away.

Called by the pool for `rokcsi doctor`. Nothing here is ever removed unasked; what was never
finished is cleared when the pool is opened, and graves go with the last thing that needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rokcsi.model.errors import StillInUse
from rokcsi.model.pool import Leftover
from rokcsi.pools.zfs.burial import Burial
from rokcsi.pools.zfs.names import volume_of
from rokcsi.pools.zfs.parts import Parts
from rokcsi.pools.zfs.reading import is_unfinished
from rokcsi.pools.zfs.records import OWN, is_deleted
from rokcsi.system.zfs import ZfsRow


class Leftovers:
    """Finds what nobody owns below the pool's dataset."""

    def __init__(self, parts: Parts, last_opened: int, burial: Burial) -> None:
        self._store = parts.store
        self._index = parts.index
        self._places = parts.places
        self._burial = burial
        self._last_opened = last_opened

    def find(self) -> Sequence[Leftover]:
        """Give what nobody owns; changes nothing."""
        rows = self._store.zfs.rows_below(self._places.names.path, OWN)
        return [*self._unneeded(rows), *self._damaged(rows)]

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them, if it is still one; raise StillInUse when it is not any more, or somebody has it open."""
        if not leftover.clearable:
            raise StillInUse(f"{leftover.where} is not removed: {leftover.why}")
        if leftover not in self.find():
            raise StillInUse(f"{leftover.where} is no leftover any more; look again")
        if self._burial.discard([str(leftover.where)]):
            raise StillInUse(f"somebody has {leftover.where} open; end that first")

    def _unneeded(self, rows: Sequence[ZfsRow]) -> Iterator[Leftover]:
        with_snapshots = {volume_of(row.name) for row in rows if row.is_snapshot}
        for row in rows:
            if row.is_snapshot or row.name in with_snapshots or self._places.names.volume_id(row.name) is None:
                continue
            if is_deleted(row):
                yield Leftover("deleted volume", Path(row.name), "nothing needs it any more")
            elif is_unfinished(row, self._last_opened):
                yield Leftover("unfinished volume", Path(row.name), "it has no record, and nobody has written to it")

    def _damaged(self, rows: Sequence[ZfsRow]) -> Iterator[Leftover]:
        names = self._places.names
        damaged: dict[str, str] = dict(self._index.damaged_volumes.items())
        damaged.update(self._index.damaged_snapshots.items())
        for row in rows:
            id_ = names.snapshot_id(row.name) if row.is_snapshot else names.volume_id(row.name)
            if id_ is not None and id_ in damaged and row.name in damaged[id_]:
                yield Leftover(
                    "damaged snapshot" if row.is_snapshot else "damaged volume",
                    Path(row.name),
                    damaged[id_],
                    clearable=False,
                )
