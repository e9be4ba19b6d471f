"""The journal: a map from keys to values that outlives power cuts, on a small thin device inside the pool.

Called by `ledger`. The story of its life. Every change is one text appended to the current
lane, all of it or nothing, and one flush makes it durable; changes made at the same time
share a flush. When a lane is full, and at every opening, the whole map is written anew into
the other lane under the next generation; it counts from the moment its head is on the disk.
Both lanes have their space set aside, and the map takes at most half of one, so that things
can be deleted while the pool has no space left for anybody.

Reading stops at what was not durable yet. A block that was durable once and is not readable
any more is damage, not a crash; `missing` tells that there was some.
"""

from __future__ import annotations

import errno
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from rokcsi.model.errors import Damaged, PoolFull
from rokcsi.pools.lvm_direct.blocks import BLOCK, blocks_of, length_of, read_blocks
from rokcsi.pools.lvm_direct.changes import Changes, applied, changes_of, size_of, text_of, texts_of
from rokcsi.pools.lvm_direct.journal_head import COPIES, HEADS, LANES, Head, newest_head

SMALLEST_ROOM = 1 << 20
_SPARE, _SHARE = 2, 2
_NO_ROOM = "the pool's records take all the space set aside for them; delete snapshots or volumes, or enlarge the pool"


class RecordDevice(Protocol):
    """A device that holds a journal: offsets and lengths are multiples of a block; each method raises OSError.

    It is read and written by one caller at a time, and flushed also while somebody writes.
    """

    def read(self, offset: int, length: int) -> bytes:
        """Read."""

    def write(self, offset: int, content: bytes) -> None:
        """Write; that it stays is promised by `flush` only."""

    def flush(self) -> None:
        """Make everything durable that was written before."""


@dataclass(frozen=True, slots=True)
class _Place:
    """How far something goes: so many texts in all, and so many blocks of this generation."""

    texts: int
    generation: int
    position: int


class Journal:
    """The map; safe to use from many threads, as long as those change different keys."""

    def __init__(self, device: RecordDevice, head: Head, state: dict[str, bytes], missing: int) -> None:
        self.owner = head.owner
        self.missing = missing
        self._device = device
        self._head = head
        self._state = state
        self._size = size_of(state)
        self._waiting: dict[str, bytes | None] = {}
        self._position = 0
        # Each is replaced as a whole, so that it can be read without the lock.
        self._end = self._durable = _Place(0, head.generation, 0)
        self._unfinished: Head | None = None
        self._doubtful = True
        self._mutex = threading.Lock()
        self._flushing = threading.Lock()

    @classmethod
    def create(cls, device: RecordDevice, owner: str) -> Journal:
        """Make an empty journal on a device; nothing that was on it counts any more. Raises OSError."""
        for lane in LANES:
            _set_aside(device, lane, SMALLEST_ROOM)
        device.write(COPIES[0], bytes(HEADS))
        journal = cls(device, Head(owner, 0, 1, SMALLEST_ROOM), {}, 0)
        journal.turn()
        return journal

    @classmethod
    def open(cls, device: RecordDevice) -> Journal:
        """Read the journal on a device, and write it anew; raise Damaged when there is none, OSError."""
        head = newest_head(device.read(COPIES[0], HEADS))
        if head is None:
            raise Damaged("the pool's record device holds no journal; it was overwritten, or belongs to somebody else")
        found = read_blocks(head.generation, device.read(LANES[head.lane], head.room))
        state: dict[str, bytes] = {}
        for text in found.texts:
            applied(state, changes_of(text))
        journal = cls(device, head, state, len(found.missing))
        journal.turn()
        return journal

    def state(self) -> dict[str, bytes]:
        """Give the whole map as it is now."""
        with self._mutex:
            return dict(self._state)

    def write(self, changes: Changes) -> None:
        """Change several keys at once (None removes one), durably when this returns; raise OSError, PoolFull.

        Where that fails, none of it has happened, as far as the disk still lets us say so.
        """
        before: dict[str, bytes | None] = {}
        try:
            self._settle(self._append(changes, before))
        except OSError:
            with self._mutex:
                self._apply(before)
                self._doubtful = True
                with suppress(OSError):
                    self._turn()
            raise

    def write_with_the_next(self, changes: Changes) -> None:
        """Change several keys at once, durably when the next `write` returns: it is one text with that."""
        with self._mutex:
            self._apply(changes)
            self._waiting |= changes

    def turn(self) -> None:
        """Write the whole map anew into the other lane; raise OSError, PoolFull."""
        with self._mutex:
            self._turn()

    def _append(self, changes: Changes, before: dict[str, bytes | None]) -> int:
        """Write changes behind everything; give how many texts there are then, and in `before` what was there."""
        with self._mutex:
            if self._unfinished is not None:
                self._finish_turn(self._unfinished)
            before |= {key: self._state.get(key) for key in changes}
            growth = size_of(changes) - size_of(before)
            text = text_of({**self._waiting, **changes})
            if self._is_overfull(growth) or self._doubtful or not self._has_room_for(text):
                self._turn(growth)
                text = text_of(changes)
            if self._is_overfull(growth) or not self._has_room_for(text):
                raise PoolFull(_NO_ROOM)
            self._write_text(self._head, text)
            self._waiting.clear()
            self._apply(changes)
            self._end = _Place(self._end.texts + 1, self._head.generation, self._position)
            return self._end.texts

    def _is_overfull(self, growth: int) -> bool:
        return growth > 0 and self._size + growth > self._head.room // _SHARE

    def _has_room_for(self, text: bytes) -> bool:
        return (self._position + length_of(text)) * BLOCK <= self._head.room

    def _write_text(self, head: Head, text: bytes) -> None:
        settled = self._durable.position if self._durable.generation == head.generation else 0
        blocks = blocks_of(head.generation, self._position, settled, text)
        self._doubtful = True
        self._device.write(LANES[head.lane] + self._position * BLOCK, blocks)
        self._doubtful = False
        self._position += length_of(text)

    def _settle(self, texts: int) -> None:
        with self._flushing:
            if self._durable.texts >= texts:
                return
            reached = self._end
            self._device.flush()
            # A turn may have come further meanwhile: to say less than what is durable harms nobody.
            self._durable = reached

    def _turn(self, growth: int = 0) -> None:
        if self._unfinished is not None:
            self._finish_turn(self._unfinished)
        room = self._room(self._size + growth)
        head = Head(self.owner, self._head.generation + 1, 1 - self._head.lane, room)
        self._position = 0
        self._doubtful = True
        for text in texts_of(self._state):
            self._write_text(head, text)
        self._waiting.clear()
        self._doubtful = True
        self._device.flush()
        self._unfinished = head
        self._finish_turn(head)

    def _finish_turn(self, head: Head) -> None:
        """Let the new lane count; what is on the disk is not known until this has succeeded once."""
        self._device.write(COPIES[0], head.written())
        self._device.flush()
        self._device.write(COPIES[1], head.written())
        self._head, self._unfinished = head, None
        self._end = self._durable = _Place(self._end.texts, head.generation, self._position)
        self._doubtful = False

    def _room(self, needed: int) -> int:
        """Give how much of each lane is set aside, after setting aside more where there soon would be too little."""
        room = wanted = self._head.room
        while wanted // _SHARE < needed * _SPARE:
            wanted *= 2
        try:
            for lane in LANES:
                _set_aside(self._device, lane + room, wanted - room)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return room
        return wanted

    def _apply(self, changes: Changes) -> None:
        self._size += size_of(changes) - size_of({key: self._state.get(key) for key in changes})
        applied(self._state, changes)


def _set_aside(device: RecordDevice, offset: int, length: int) -> None:
    for at in range(offset, offset + length, 1 << 20):
        device.write(at, bytes(min(1 << 20, offset + length - at)))
