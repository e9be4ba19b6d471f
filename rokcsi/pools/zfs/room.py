"""How much room a ZFS pool has: asked of the kernel, without a program, whenever somebody wants to know.

The pool's own dataset is mounted without a place (it is seen nowhere, and gone with us), so
that statfs(2) tells what may still be written below it, with everybody's quotas and
reservations taken into account. What it cannot tell (how large all of it is, what the dead
occupy by now) is read with a program at the start, and again when that is some time ago.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rokcsi.model.errors import SystemCallFailed
from rokcsi.model.pool import Capacity
from rokcsi.model.sizes import Bytes
from rokcsi.pools.zfs.places import Places
from rokcsi.pools.zfs.records import OWN
from rokcsi.system.detached_mount import DetachedMount
from rokcsi.system.zfs import Zfs, ZfsProperty

_TOTAL_SECONDS = 60.0
_DEAD_SECONDS = 10.0
_ASKED = ("used", "available", "quota")


class Room:
    """The room of one pool; safe to use from many threads."""

    def __init__(self, dataset: str, zfs: Zfs, places: Places) -> None:
        self._dataset = dataset
        self._zfs = zfs
        self._places = places
        self._reading = threading.Lock()
        self._total = 0
        self._read_at = {"total": -_TOTAL_SECONDS, "dead": -_DEAD_SECONDS}
        try:
            self._mount = DetachedMount(Path(dataset), "zfs")
        except OSError as error:
            raise SystemCallFailed(f"cannot look into the dataset {dataset}: {error.strerror}") from error
        self._refresh()

    def capacity(self, unit: Bytes, promised: int) -> Capacity:
        """Give the room there is now; `used` is all that is not available, whoever has it."""
        self._refresh()
        available = min(self._mount.available(), self._total)
        return Capacity(
            total=Bytes(self._total),
            used=Bytes(self._total - available),
            promised=Bytes(promised),
            available=Bytes(available // unit * unit),
            kept=self._places.kept,
        )

    def close(self) -> None:
        """Let go of the dataset."""
        self._mount.close()

    def _refresh(self) -> None:
        with self._reading:
            if self._is_due("total", _TOTAL_SECONDS):
                self._total = _total(self._zfs.properties(_with_those_above(self._dataset), _ASKED))
            dead = [name for name in self._places.dead() if "@" in name]
            if dead and self._is_due("dead", _DEAD_SECONDS):
                rows = self._zfs.rows_of(dead, OWN)
                self._places.put_dead({row.name: row.used for row in rows})

    def _is_due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now - self._read_at[what] < seconds:
            return False
        self._read_at[what] = now
        return True


def _with_those_above(dataset: str) -> Sequence[str]:
    parts = dataset.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _total(found: Sequence[ZfsProperty]) -> int:
    """Give what the ZFS pool holds altogether, or the smallest quota on the way to our dataset."""
    numbers = {(each.dataset, each.name): int(each.value) for each in found}
    top = found[0].dataset
    whole = numbers[top, "used"] + numbers[top, "available"]
    return min([whole, *(number for (_, name), number in numbers.items() if name == "quota" and number)])
