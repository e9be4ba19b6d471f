"""Which labels a snapshot gets, where a pool has room for a few only. Called when a group is cut."""

from __future__ import annotations

from rokcsi.model.volume import Labels


def with_said(labels: Labels, said: Labels, room_bytes: int) -> Labels:
    """Give labels, all of them, and of what is said as much as fits beside them into the room, the first of it first."""
    left = room_bytes - sum(_bytes(key, value) for key, value in labels.items())
    kept = {}
    for key, value in said.items():
        if _bytes(key, value) <= left:
            left -= _bytes(key, value)
            kept[key] = value
    return {**labels, **kept}


def _bytes(key: str, value: str) -> int:
    return len(key.encode()) + len(value.encode())
