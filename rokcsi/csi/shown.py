"""What of a request or response may appear in the log: an allow-list, so that secrets never do."""

from __future__ import annotations

from google.protobuf.message import Message

Shown = str | int | float

# The field in CSI, and its name in the log (rokcsi.observe.logs.FIELDS).
_FIELDS = {
    "volume_id": "volume",
    "source_volume_id": "volume",
    "snapshot_id": "snapshot",
    "group_snapshot_id": "group",
    "node_id": "node",
    "volume_path": "target",
    "staging_target_path": "target",
    "target_path": "target",
    "capacity_bytes": "size_bytes",
    "size_bytes": "size_bytes",
}
_WITHIN = ("volume", "snapshot", "group_snapshot")
_LONGEST = 256


def shown(message: Message) -> dict[str, Shown]:
    """Give the fields of a message, and of the thing that it carries, that may be logged."""
    found: dict[str, Shown] = {}
    for field, value in message.ListFields():
        if field.name in _WITHIN:
            found |= shown(value)
        elif field.name == "snapshots":
            found["members"] = len(value)
        elif field.name in _FIELDS:
            found[_FIELDS[field.name]] = value[:_LONGEST] if isinstance(value, str) else value
    return found
