"""The blocks of the journal: a text cut into pieces that each prove themselves.

Called by `journal`. A block is valid where it stands only: its digest covers the journal's
generation and the block's position, so that what an older generation left in the same place,
or what a user has written into a label, never passes for a block of this one.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

BLOCK = 4096
_MAGIC = b"rokcsi/1"
_DIGEST = 16
# magic, generation, position, settled, part, parts, length of the piece
_HEAD = struct.Struct(f"<8s3Q3I4x{_DIGEST}s")
_PIECE = BLOCK - _HEAD.size


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a text: `part` of `parts`, at a position counted in blocks from the journal's beginning.

    All blocks before `settled` were durable when this one was written.
    """

    generation: int
    position: int
    settled: int
    part: int
    parts: int
    piece: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What is read of a journal: its texts, the position where it ends, and what is missing before that.

    `missing` positions were durable once and are not readable any more: no crash does that.
    """

    texts: Sequence[bytes]
    end: int
    missing: Sequence[int]


def blocks_of(generation: int, position: int, settled: int, text: bytes) -> bytes:
    """Write a text as blocks, the first of them for this position."""
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)] or [b""]
    return b"".join(
        _written(Block(generation, position + part, settled, part, len(pieces), piece))
        for part, piece in enumerate(pieces)
    )


def length_of(text: bytes) -> int:
    """Tell how many blocks a text takes."""
    return max(1, -(-len(text) // _PIECE))


def read_blocks(generation: int, area: bytes) -> Found:
    """Read a journal's whole area as it was left."""
    valid = {block.position: block for block in _valid(generation, area)}
    settled = max((block.settled for block in valid.values()), default=0)
    end = settled
    while end in valid:
        end += 1
    missing = [position for position in range(settled) if position not in valid]
    texts, after_last_whole = _texts(valid.get(position) for position in range(end))
    return Found(texts, max(settled, after_last_whole), missing)


def _texts(blocks: Iterable[Block | None]) -> tuple[list[bytes], int]:
    """Join the pieces of each text; one of which a piece is missing is left out."""
    texts, pieces, whole = [], list[bytes](), 0
    for position, block in enumerate(blocks):
        if block is None or block.part != len(pieces):
            pieces = []
        if block is None or block.part != len(pieces):
            continue
        pieces.append(block.piece)
        if len(pieces) == block.parts:
            texts.append(b"".join(pieces))
            pieces, whole = [], position + 1
    return texts, whole


def _valid(generation: int, area: bytes) -> Iterator[Block]:
    for position in range(len(area) // BLOCK):
        block = _read(area[position * BLOCK : (position + 1) * BLOCK])
        if block is not None and (block.generation, block.position) == (generation, position):
            yield block


def _written(block: Block) -> bytes:
    numbers = (block.generation, block.position, block.settled, block.part, block.parts, len(block.piece))
    unsigned = _HEAD.pack(_MAGIC, *numbers, bytes(_DIGEST)) + block.piece
    signed = _HEAD.pack(_MAGIC, *numbers, _digest(unsigned)) + block.piece
    return signed.ljust(BLOCK, b"\0")


def _read(content: bytes) -> Block | None:
    magic, generation, position, settled, part, parts, length, digest = _HEAD.unpack_from(content)
    if magic != _MAGIC or length > _PIECE:
        return None
    unsigned = content[: _HEAD.size - _DIGEST] + bytes(_DIGEST) + content[_HEAD.size : _HEAD.size + length]
    if _digest(unsigned) != digest:
        return None
    return Block(generation, position, settled, part, parts, content[_HEAD.size : _HEAD.size + length])


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()
