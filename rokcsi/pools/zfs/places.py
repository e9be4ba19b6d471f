"""Where everything lies: the dataset of each volume, the full name of each snapshot, and who lies there though deleted.

Kept by the pool as things come and go. A grave is a deleted volume that has snapshots; a
deleted snapshot that has clones is dead as well. Both stay until nobody needs them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.pools.zfs.names import Names, free_snapshot, volume_of

_REST_SECONDS = 60.0


class Places:
    """Names by id, and what is dead by name with the bytes it occupies; safe to use from many threads."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._mutex = threading.Lock()
        self._volumes: dict[VolumeId, str] = {}
        self._snapshots: dict[SnapshotId, str] = {}
        self._living: dict[str, int] = {}
        self._dead: dict[str, int] = {}
        self._strangers: set[str] = set()
        self._departed: dict[str, float] = {}
        self._taken: set[str] = set()

    def __contains__(self, name: object) -> bool:
        """Tell whether something has this name, or has had it a moment ago: a device of that name may still be there."""
        return name in self._taken or name in self._dead or name in self._strangers or name in self._departed

    def volume(self, id: VolumeId) -> str:
        """Give the dataset of a volume that the index knows."""
        return self._volumes[id]

    def known_volume(self, id: VolumeId) -> str | None:
        """Give the dataset of a volume, None when there is no such volume."""
        return self._volumes.get(id)

    def snapshot(self, id: SnapshotId) -> str:
        """Give the full name of a snapshot that the index knows."""
        return self._snapshots[id]

    def volumes(self) -> Mapping[VolumeId, str]:
        """Give the datasets of all living volumes."""
        with self._mutex:
            return dict(self._volumes)

    def new_volume(self, id: VolumeId) -> str:
        """Give a free name for a volume to be made."""
        with self._mutex:
            self._let_rest()
            return self.names.free_volume(id, self)

    def new_snapshot(self, volume: VolumeId, id: SnapshotId) -> str:
        """Give a free name for a snapshot to be cut."""
        with self._mutex:
            return free_snapshot(self._volumes[volume], id, self)

    def put_volume(self, id: VolumeId, dataset: str) -> None:
        """Remember where a volume lies."""
        with self._mutex:
            self._volumes[id] = dataset
            self._taken.add(dataset)

    def drop_volume(self, id: VolumeId) -> None:
        """Forget where a volume lies, if it is known."""
        with self._mutex:
            dataset = self._volumes.pop(id, None)
            if dataset is not None:
                self._depart(dataset)

    def put_snapshot(self, id: SnapshotId, name: str) -> None:
        """Remember where a snapshot lies."""
        with self._mutex:
            if id not in self._snapshots:
                self._count(name, 1)
            self._snapshots[id] = name
            self._taken.add(name)

    def drop_snapshot(self, id: SnapshotId) -> None:
        """Forget where a snapshot lies, if it is known."""
        with self._mutex:
            name = self._snapshots.pop(id, None)
            if name is not None:
                self._count(name, -1)
                self._taken.discard(name)

    def put_stranger(self, name: str) -> None:
        """Remember a name that is taken by something which is not to be touched."""
        with self._mutex:
            self._strangers.add(name)

    def put_dead(self, used: Mapping[str, int]) -> None:
        """Remember what these dead things occupy, in bytes."""
        with self._mutex:
            self._dead.update(used)

    def drop_dead(self, names: Iterable[str]) -> None:
        """Forget dead things that are gone at last."""
        with self._mutex:
            for name in names:
                if self._dead.pop(name, None) is not None and "@" not in name:
                    self._depart(name)

    def dead(self) -> Sequence[str]:
        """Give the names of all that is dead and still there."""
        with self._mutex:
            return sorted(self._dead)

    def needless_graves(self) -> Sequence[str]:
        """Give the graves in which no snapshot of ours lies, alive or dead."""
        with self._mutex:
            needed = {volume_of(name) for name in self._dead if "@" in name} | set(self._living)
            return sorted(name for name in self._dead if "@" not in name and name not in needed)

    @property
    def kept(self) -> Bytes:
        """What the dead occupy: graves as a whole where nothing in them lives, else what each dead snapshot has for itself."""
        with self._mutex:
            whole = {name for name in self._dead if "@" not in name and name not in self._living}
            return Bytes(
                sum(used for name, used in self._dead.items() if name in whole)
                + sum(used for name, used in self._dead.items() if "@" in name and volume_of(name) not in whole)
            )

    def _count(self, snapshot: str, change: int) -> None:
        dataset = volume_of(snapshot)
        left = self._living.get(dataset, 0) + change
        if left:
            self._living[dataset] = left
        else:
            self._living.pop(dataset, None)

    def _depart(self, dataset: str) -> None:
        self._taken.discard(dataset)
        self._departed[dataset] = time.monotonic()

    def _let_rest(self) -> None:
        long_ago = time.monotonic() - _REST_SECONDS
        for dataset, left_at in list(self._departed.items()):
            if left_at > long_ago:  # they are in the order in which they left
                return
            del self._departed[dataset]
