"""What a single name, handle or path of a request has to look like, before anything is done with it."""

from __future__ import annotations

import re
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, VolumeNotFound

_BANNED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # CSI's list for names; tabs and line ends may be in
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def required(field: str, text: str) -> str:
    """Give the text; raise InvalidRequest when there is none."""
    if not text:
        raise InvalidRequest(f"{field} is empty; it has to be given")
    return text


def name_of(field: str, text: str) -> str:
    """Give a name that the caller chose: any Unicode but the control characters that CSI bans."""
    if _BANNED.search(required(field, text)):
        raise InvalidRequest(f"{field} contains a control character: {text[:256]!r}; leave it out")
    return text


def place_of(field: str, text: str) -> Path:
    """Give the path where a volume is said to be; raise VolumeNotFound for a relative one, where none can be."""
    if not required(field, text).startswith("/"):
        raise VolumeNotFound(f"no volume is at {field} {text[:256]!r}, which is not an absolute path")
    return path_of(field, text)


def path_of(field: str, text: str) -> Path:
    """Give an absolute path without `..` and control characters."""
    if not required(field, text).startswith("/"):
        raise InvalidRequest(f"{field} is not an absolute path: {text[:256]!r}")
    if _CONTROL.search(text):
        raise InvalidRequest(f"{field} contains a control character: {text[:256]!r}; no pod's path does")
    path = Path("/" + text.lstrip("/"))  # POSIX gives a leading `//` a meaning of its own
    if ".." in path.parts:
        raise InvalidRequest(f"{field} contains '..': {text[:256]!r}; give the path that is meant")
    if path == Path("/"):
        raise InvalidRequest(f"{field} is the root folder; give the path of a volume")
    return path
