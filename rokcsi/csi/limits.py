"""CSI's limits on the length of things, for every field of every request alike.

Driven by the messages' descriptors, so that no field can be forgotten (spec.md, "Size
Limits"). A `starting_token` is not looked at here: any wrong one has a status of its own.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from rokcsi.model.errors import InvalidRequest

STRING_BYTES = 128
MAP_BYTES = 4096
PATH_BYTES = 4096  # PATH_MAX; CSI leaves the limit of paths to the system
_TOGETHER = {"mount_flags": 4096}
_STRINGS = {
    "staging_target_path": PATH_BYTES,
    "target_path": PATH_BYTES,
    "volume_path": PATH_BYTES,
    "node_id": 256,
    "starting_token": 1 << 20,
    "pod_name": 253,  # Kubernetes' limit of names; ours, not CSI's
    "claim_name": 253,
    "origin": 2048,
}


def check_limits(message: Message, where: str = "") -> None:
    """Raise InvalidRequest that names the first field which is longer than CSI allows."""
    for field, value in message.ListFields():
        name = f"{where}{field.name}"
        if field.type == FieldDescriptor.TYPE_STRING:
            _check_strings(name, field.name, [value] if isinstance(value, str) else list(value))
        elif field.message_type is not None:
            _check_messages(name, field.message_type, value)


def _check_messages(name: str, kind: Descriptor, value: Any) -> None:
    if kind.GetOptions().map_entry:
        size = sum(len(key.encode()) + len(text.encode()) for key, text in value.items())
        _check_size(name, size, MAP_BYTES)
    elif isinstance(value, Message):
        check_limits(value, f"{name}.")
    else:
        for position, item in enumerate(value):
            check_limits(item, f"{name}[{position}].")


def _check_strings(name: str, kind: str, texts: list[str]) -> None:
    if kind in _TOGETHER:
        _check_size(name, sum(len(text.encode()) for text in texts), _TOGETHER[kind])
        return
    for text in texts:
        _check_size(name, len(text.encode()), _STRINGS.get(kind, STRING_BYTES))


def _check_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise InvalidRequest(f"{name} is {size} bytes long; CSI allows {limit}")
