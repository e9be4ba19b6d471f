"""The device mapper's ioctl(2) as one typed call: how its requests are written and its answers read; see linux/dm-ioctl.h.

Called by `device_mapper` only. Every request goes to the descriptor of /dev/mapper/control
and raises OSError with the kernel's errno. The interpreter lock is not held meanwhile.
"""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

# version, size of all, start of the payload, targets, open count, flags, event, device, name, UUID
_HEAD = struct.Struct("=3I2IIiII4xQ128s129s7x")
_TARGET = struct.Struct("=2QiI16s")
_NAMED = struct.Struct("=QI")
_EVENT = struct.Struct("=2I")
_SECTOR = struct.Struct("=Q")
_REQUEST = 0xC0000000 | _HEAD.size << 16 | 0xFD00
# The oldest client that this kernel interface serves: nothing newer is needed here.
_VERSION = (4, 0, 0)
_ROOM, _MOST_ROOM = 16384, 1 << 24
_HAS_UUID = 1
NAME_LENGTH, UUID_LENGTH = 127, 128


class Verb(IntEnum):
    """What is asked of the device mapper."""

    VERSION = 0
    LIST_DEVICES = 2
    CREATE = 3
    REMOVE = 4
    RENAME = 5
    SUSPEND = 6
    LOOK = 7
    LOAD = 9
    CLEAR = 10
    DEPENDENCIES = 11
    STATUS = 12
    MESSAGE = 14


class Flags(IntFlag):
    """The bits that go with a request or come with an answer."""

    NONE = 0
    READ_ONLY = 1 << 0
    SUSPEND = 1 << 1
    TABLE = 1 << 4
    LIVE = 1 << 5
    WAITING = 1 << 6
    BUFFER_FULL = 1 << 8
    SKIP_LOCKFS = 1 << 10
    NO_FLUSH = 1 << 11
    EVENT = 1 << 13
    UUID = 1 << 14
    WHEN_CLOSED = 1 << 17


@dataclass(frozen=True, slots=True)
class Target:
    """A piece of a device: `start` and `length` in sectors of 512 bytes, `kind` (`thin`, `linear` …), and its words."""

    start: int
    length: int
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A line of the list of all devices; `device` as in `st_rdev`, `uuid` empty where it has none or the kernel is old."""

    name: str
    device: int
    uuid: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request: which device is meant (by name, UUID or number, not by several), and what goes with the verb.

    `event` carries the flags for udev's rules in its upper half (libdevmapper's cookie).
    """

    verb: Verb
    name: str = ""
    uuid: str = ""
    device: int = 0
    flags: Flags = Flags.NONE
    event: int = 0
    targets: int = 0
    payload: bytes = b""

    def packed(self, room: int = 0) -> bytearray:
        """Write the request into a buffer which leaves the answer `room` bytes after the head."""
        size = _HEAD.size + max(len(self.payload), room)
        buffer = bytearray(size)
        numbers = (size, _HEAD.size, self.targets, 0, self.flags, self.event, self.device)
        _HEAD.pack_into(buffer, 0, *_VERSION, *numbers, self.name.encode(), self.uuid.encode())
        buffer[_HEAD.size : _HEAD.size + len(self.payload)] = self.payload
        return buffer


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's head, and what comes after it."""

    version: tuple[int, int, int]
    targets: int
    open_count: int
    flags: Flags
    event: int
    device: int
    name: str
    uuid: str
    payload: bytes

    @classmethod
    def unpacked(cls, buffer: bytes | bytearray) -> Answer:
        """Read the buffer that the kernel has filled."""
        *version, size, start, targets, opened, flags, event, device, name, uuid = _HEAD.unpack_from(buffer)
        payload = bytes(buffer[start:size])
        return cls(
            (version[0], version[1], version[2]),
            targets,
            opened,
            Flags(flags),
            event,
            device,
            _text(name),
            _text(uuid),
            payload,
        )


def ask(control: int, request: Request) -> Answer:
    """Send a request without a long answer; raise OSError."""
    return Answer.unpacked(_sent(control, request, 0))


def ask_at_length(control: int, request: Request) -> Answer:
    """Send a request that changes nothing, with as much room as its answer needs; raise OSError."""
    room = _ROOM
    while True:
        answer = Answer.unpacked(_sent(control, request, room))
        if Flags.BUFFER_FULL not in answer.flags or room >= _MOST_ROOM:
            return answer
        room *= 4


def _sent(control: int, request: Request, room: int) -> bytearray:
    buffer = request.packed(room)
    fcntl.ioctl(control, _REQUEST | request.verb, buffer)
    return buffer


def packed_targets(targets: Sequence[Target]) -> bytes:
    """Write a table; each target says how far the next one is from it."""
    return b"".join(_packed_target(target) for target in targets)


def _packed_target(target: Target) -> bytes:
    words = target.words.encode() + b"\0"
    words += bytes(-len(words) % 8)
    return _TARGET.pack(target.start, target.length, 0, _TARGET.size + len(words), target.kind.encode()) + words


def packed_message(sector: int, text: str) -> bytes:
    """Write a message for the target at a sector."""
    return _SECTOR.pack(sector) + text.encode() + b"\0"


def unpacked_targets(answer: Answer) -> list[Target]:
    """Read a table or a status; here each target says how far the next one is from the first."""
    found, at = [], 0
    for _ in range(answer.targets):
        start, length, _, following, kind = _TARGET.unpack_from(answer.payload, at)
        found.append(Target(start, length, _text(kind), _text(answer.payload[at + _TARGET.size :])))
        at = following
    return found


def unpacked_devices(answer: Answer) -> list[ListedDevice]:
    """Read the list of all devices."""
    return list(_devices(answer.payload))


def _devices(payload: bytes) -> Iterator[ListedDevice]:
    at = 0
    while len(payload) >= at + _NAMED.size:
        device, following = _NAMED.unpack_from(payload, at)
        if device == 0:
            return
        name = _text(payload[at + _NAMED.size :])
        after = _aligned(at + _NAMED.size + len(name.encode()) + 1)
        yield ListedDevice(name, device, _uuid(payload, after))
        if following == 0:
            return
        at += following


def _uuid(payload: bytes, at: int) -> str:
    if len(payload) < at + _EVENT.size or not _EVENT.unpack_from(payload, at)[1] & _HAS_UUID:
        return ""
    return _text(payload[_aligned(at + _EVENT.size) :])


def unpacked_dependencies(answer: Answer) -> list[int]:
    """Read the numbers of the devices that a device lies on."""
    count, _ = _EVENT.unpack_from(answer.payload)
    return [number for (number,) in _SECTOR.iter_unpack(answer.payload[_EVENT.size : _EVENT.size + count * 8])]


def _aligned(offset: int) -> int:
    return offset + -offset % 8


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="surrogateescape")
