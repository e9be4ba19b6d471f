"""Looks at a pool after a power cut: is everything there that somebody was told of, with its contents, and nothing else?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.volume import NewVolume
from tests.system.power_cuts.history import EMPTY, SLOT, SLOTS, Expected, Slots
from tests.system.power_cuts.scribbler import number_in
from tests.system.power_cuts.storm import SIZE, content_of


def findings(pool: Pool, expected: Expected) -> list[str]:
    """Give everything that is not as it has to be; the pool is left as it was."""
    found = {it.name for it in pool.volumes()} | {it.name for it in pool.snapshots()}
    missing, surplus = expected.names() - found, found - expected.names() - expected.unsure
    wrong = [f"{name} was acknowledged and is missing" for name in sorted(missing)]
    wrong += [f"{name} is there, and nobody was told of it or it was deleted" for name in sorted(surplus)]
    return wrong + _wrong_volumes(pool, expected, found) + _wrong_snapshots(pool, expected, found)


def _wrong_volumes(pool: Pool, expected: Expected, found: set[str]) -> list[str]:
    wrong: list[str] = []
    for name in sorted(expected.names() & found):
        if name in expected.volumes:
            content = _read(pool, VolumeId.of_name(name))
            wrong += _wrong_slots(name, content, expected.volumes[name], expected.unsure_slots.get(name))
        elif name in expected.at_least and _is_volume(pool, name):
            wrong += _too_old(name, _read(pool, VolumeId.of_name(name)), expected.at_least[name])
    return wrong


def _wrong_snapshots(pool: Pool, expected: Expected, found: set[str]) -> list[str]:
    wrong: list[str] = []
    for name in sorted(expected.names() & found):
        if name in expected.snapshots:
            wrong += _wrong_slots(name, _content_of_snapshot(pool, name), expected.snapshots[name], None)
        elif name in expected.at_least and not _is_volume(pool, name):
            wrong += _too_old(name, _content_of_snapshot(pool, name), expected.at_least[name])
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


def _is_volume(pool: Pool, name: str) -> bool:
    return any(volume.name == name for volume in pool.volumes())


def _content_of_snapshot(pool: Pool, name: str) -> bytes:
    look = NewVolume(f"look at {name}", SIZE, None)
    pool.clone_snapshot(SnapshotId.of_name(name), look)
    try:
        return _read(pool, look.id)
    finally:
        pool.delete_volume(look.id)


def _read(pool: Pool, id: VolumeId) -> bytes:
    with pool.attach(id).open("rb") as device:
        content = device.read(SIZE)
    pool.detach(id)
    return content
