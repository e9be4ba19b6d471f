"""Looks at a pool after a power cut: is everything there that somebody was told of, with its contents, and nothing else?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.volume import NewVolume
from tests.system.power_cuts.history import EMPTY, SLOT, SLOTS, Expected, Slots
from tests.system.power_cuts.scribbler import number_in
from tests.system.power_cuts.storm import SIZE, content_of

Read = Callable[[Pool, VolumeId | SnapshotId], bytes]
"""Gives the bytes of a volume or a snapshot, and leaves the pool as it was."""


def findings(pool: Pool, expected: Expected, read: Read) -> list[str]:
    """Give everything that is not as it has to be; the pool is left as it was."""
    found = {it.name for it in pool.volumes()} | {it.name for it in pool.snapshots()}
    missing, surplus = expected.names() - found, found - expected.names() - expected.unsure
    wrong = [f"{name} was acknowledged and is missing" for name in sorted(missing)]
    wrong += [f"{name} is there, and nobody was told of it or it was deleted" for name in sorted(surplus)]
    return wrong + _wrong_contents(pool, expected, found, read)


def _wrong_contents(pool: Pool, expected: Expected, found: set[str], read: Read) -> list[str]:
    ids: dict[str, VolumeId | SnapshotId] = {volume.name: volume.id for volume in pool.volumes()}
    ids |= {snapshot.name: snapshot.id for snapshot in pool.snapshots()}
    wrong: list[str] = []
    for name in sorted(expected.names() & found):
        slots = expected.volumes.get(name) or expected.snapshots.get(name)
        content = read(pool, ids[name])
        if slots is not None:
            wrong += _wrong_slots(name, content, slots, expected.unsure_slots.get(name))
        else:
            wrong += _too_old(name, content, expected.at_least[name])
    return wrong


def _wrong_slots(name: str, content: bytes, slots: Slots, unsure: int | None) -> Sequence[str]:
    hashes = [hashlib.sha256(content[at * SLOT : (at + 1) * SLOT]).hexdigest() for at in range(SLOTS)]
    return [
        f"slot {at} of {name} does not hold what was written"
        for at, seed in enumerate(slots)
        if at != unsure and hashes[at] != hashlib.sha256(content_of(seed) if seed != EMPTY else bytes(SLOT)).hexdigest()
    ]


def _too_old(name: str, content: bytes, least: int) -> Sequence[str]:
    number = number_in(content)
    return [f"{name} holds {number}, and {least} was written durably"] if number < least else []


def read_by_pool(pool: Pool, id: VolumeId | SnapshotId) -> bytes:
    """Read as a client does: a volume is attached, a snapshot cloned first."""
    if isinstance(id, VolumeId):
        with pool.attach(id).open("rb") as device:
            content = device.read(SIZE)
        pool.detach(id)
        return content
    look = NewVolume(f"look at {id}", SIZE, None)
    pool.clone_snapshot(id, look)
    try:
        return read_by_pool(pool, look.id)
    finally:
        pool.delete_volume(look.id)
