"""Fields written as LVM tags: a tag holds few characters, no spaces, and costs the volume group's metadata every byte.

Called by `records`. A record is one tag in the usual case and goes on in further ones where
it is long. Fields are parted by `:` and begin with their letter; what follows is text,
or by its first character a number (`#`, base 36), an id (`=`, base 64), a list (`&`) or a map (`+`).

    rokcsi:npvc-3f0e7c1e-3c5b-4f7e-9d0a-52a3a5a0a1b2:t#gxk0z3m5qs:fxfs:m#1

Characters that a tag cannot hold, and those with a meaning here, are written as `!` and two
hexadecimal digits for each of their bytes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rokcsi.pools.record_fields import Unreadable, read

_FIRST = "rokcsi:"
_FURTHER = re.compile(r"rokcsi\.([0-9]+):(.*)")
_ROOM = 1000  # a tag has at most 1024 characters (lvm(8), "Valid names")
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
_PIECES = re.compile(rf"({_PLAIN.pattern})|!([0-9a-f]{{2}})")
_ID = re.compile(r"[0-9a-f]{32}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# Fields with these values are not written: what is not there has them.
_USUAL: Mapping[str, object] = {"r": 1, "c": "frozen"}


def record_tags(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Write a record's fields, without the empty and the usual ones."""
    kept = {key: value for key, value in fields.items() if value and _USUAL.get(key) != value}
    text = ":".join(key + _written(value) for key, value in kept.items())
    pieces = [text[start : start + _ROOM] for start in range(0, len(text), _ROOM)] or [""]
    return (_FIRST + pieces[0], *(f"rokcsi.{number}:{piece}" for number, piece in enumerate(pieces[1:], 1)))


def is_record_tag(tag: str) -> bool:
    """Tell whether a tag is a part of a record."""
    return tag.startswith(_FIRST) or _FURTHER.fullmatch(tag) is not None


def fields_in(tags: Iterable[str]) -> dict[str, Any] | None:
    """Read a record's fields among a thing's tags; None when there is no record; raise Unreadable."""
    parts = _parts([tag for tag in tags if is_record_tag(tag)])
    if not parts:
        return None
    if [*parts] != [*range(len(parts))]:
        raise Unreadable(f"of the record's tags only the parts {[*parts]} are there")
    return read(lambda: {**_USUAL, **dict(_field(text) for text in "".join(parts.values()).split(":"))})


def _parts(tags: Sequence[str]) -> dict[int, str]:
    parts = {}
    for tag in tags:
        further = _FURTHER.fullmatch(tag)
        number, text = (int(further[1]), further[2]) if further else (0, tag.removeprefix(_FIRST))
        if number in parts:
            raise Unreadable(f"two tags are the record's part {number}")
        parts[number] = text
    return dict(sorted(parts.items()))


def _field(text: str) -> tuple[str, Any]:
    if not text:
        raise ValueError("an empty field in the tag")
    return text[0], _read(text[1:])


def _written(value: object) -> str:
    if isinstance(value, int):
        return "#" + _base36(value)
    if isinstance(value, str):
        return "=" + _short(value) if _ID.fullmatch(value) else escaped(value)
    if isinstance(value, Mapping):
        return "".join(f"+{escaped(key)}={escaped(text)}" for key, text in value.items())
    if isinstance(value, Sequence):
        return "".join("&" + _written(item) for item in value)
    raise TypeError(f"no tag can hold {value!r:.64}")


def _read(text: str) -> Any:
    readers: Mapping[str, Callable[[str], Any]] = {"#": _number, "=": _long, "+": _map, "&": _list}
    reader = readers.get(text[:1])
    return unescaped(text) if reader is None else reader(text[1:])


def _number(text: str) -> int:
    if re.fullmatch(r"-?[0-9a-z]+", text) is None:
        raise ValueError(f"{text!r:.64} where a number is meant")
    return int(text, 36)


def _map(text: str) -> dict[str, str]:
    pairs = [pair.split("=") for pair in text.split("+")]
    return {unescaped(key): unescaped(value) for key, value in pairs}


def _list(text: str) -> list[Any]:
    return [_read(item) for item in text.split("&")]


def _base36(number: int) -> str:
    sign, number, digits = "-" if number < 0 else "", abs(number), ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return sign + digits


def _short(id: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(id)).decode().rstrip("=")


def _long(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]{22}", text) is None:
        raise ValueError(f"{text!r:.64} where an id is meant")
    return base64.urlsafe_b64decode(text + "==").hex()


def escaped(text: str) -> str:
    """Write any text in the characters of a tag."""
    return "".join(_escaped_character(character) for character in text)


def _escaped_character(character: str) -> str:
    if _PLAIN.fullmatch(character):
        return character
    return "".join(f"!{byte:02x}" for byte in character.encode(errors="surrogatepass"))


def unescaped(text: str) -> str:
    """Read what `escaped` has written; raise ValueError."""
    found = b"".join(
        match[1].encode() if match[1] else bytes.fromhex(match[2]) for match in _PIECES.finditer(text)
    ).decode(errors="surrogatepass")
    if escaped(found) != text:
        raise ValueError(f"{text!r:.64} is not what a tag holds")
    return found
