"""Changes of the journal's map as text: one line a key, with nothing after the tab where the key goes.

Called by `journal`. Values are JSON, and keys are ours: neither has tabs or line ends in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Changes = Mapping[str, bytes | None]
_LONGEST = 1 << 18


def applied(state: dict[str, bytes], changes: Changes) -> None:
    """Make changes to a map."""
    for key, value in changes.items():
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value


def size_of(changes: Changes) -> int:
    """Tell how many bytes of text values take; what is None takes none."""
    return sum(len(key) + len(value) + 2 for key, value in changes.items() if value is not None)


def text_of(changes: Changes) -> bytes:
    """Write changes as one text."""
    return b"\n".join(key.encode() + b"\t" + (value or b"") for key, value in changes.items())


def changes_of(text: bytes) -> dict[str, bytes | None]:
    """Read a text."""
    lines = (line.partition(b"\t") for line in text.split(b"\n") if line)
    return {key.decode(): value or None for key, _, value in lines}


def texts_of(state: Mapping[str, bytes]) -> Iterator[bytes]:
    """Write a whole map as texts of a bearable length."""
    part: dict[str, bytes] = {}
    length = 0
    for key, value in state.items():
        part[key] = value
        length += len(key) + len(value)
        if length >= _LONGEST:
            yield text_of(part)
            part, length = {}, 0
    if part:
        yield text_of(part)
