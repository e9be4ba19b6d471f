"""The head of the journal: whose it is, which generation counts, and where that one lies.

Called by `journal`. There are two copies, the second written when the first is durable: a torn one leaves the other, and one that
is lost later is lost without harm.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from rokcsi.model.errors import Damaged
from rokcsi.pools.lvm_direct.blocks import BLOCK

_MAGIC = b"rokcsi-journal\n"
_VERSION = 1
_DIGEST = 16
LANES = (1 << 20, (1 << 20) + (1 << 39))
"""Where the two areas begin that are written in turn, in bytes."""
DEVICE_SIZE = 1 << 40
"""How large the thin device is made; what is not written takes no space."""
COPIES = (0, BLOCK)
"""Where the head lies, in bytes."""
HEADS = 2 * BLOCK


@dataclass(frozen=True, slots=True)
class Head:
    """`owner` is the pool's id; `lane` is the one in use; `room` tells how many bytes of each are set aside."""

    owner: str
    generation: int
    lane: int
    room: int

    def written(self) -> bytes:
        """Write the head into one block."""
        fields = {"v": _VERSION, "o": self.owner, "g": self.generation, "l": self.lane, "r": self.room}
        text = json.dumps(fields).encode()
        return (_MAGIC + hashlib.blake2b(text, digest_size=_DIGEST).digest() + text).ljust(BLOCK, b"\0")


def newest_head(copies: bytes) -> Head | None:
    """Read both copies and give the newer one, None when neither is one; raise Damaged when a newer rokcsi wrote it."""
    found = [head for at in COPIES if (head := _read(copies[at : at + BLOCK])) is not None]
    return max(found, key=lambda head: head.generation, default=None)


def _read(content: bytes) -> Head | None:
    start = len(_MAGIC) + _DIGEST
    text = content[start:].rstrip(b"\0")
    if content[:start] != _MAGIC + hashlib.blake2b(text, digest_size=_DIGEST).digest():
        return None
    fields = json.loads(text)
    if fields["v"] > _VERSION:
        raise Damaged(f"this pool was written by a newer rokcsi (form {fields['v']}); serve it with that version")
    return Head(fields["o"], fields["g"], fields["l"], fields["r"])
