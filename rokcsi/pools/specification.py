"""What people write to say where a pool is: `loopfile:/FOLDER`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rokcsi.model.errors import InvalidRequest

_LATER = {"lvm": "lvm:VG/POOL", "zfs": "zfs:POOL/PATH"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOW = "write it as loopfile:/FOLDER, with an absolute path"


@dataclass(frozen=True, slots=True)
class PoolSpecification:
    """A kind of pool, and where it is."""

    kind: str
    folder: Path

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `loopfile:/FOLDER`; raise InvalidRequest with what to write instead."""
        kind, colon, where = text.partition(":")
        if kind in _LATER:
            raise InvalidRequest(f"the pool {text!r}: {_LATER[kind]} is not in this version; {_HOW}")
        if kind != "loopfile" or not colon:
            raise InvalidRequest(f"the pool {text!r} is of no known kind; {_HOW}")
        return cls(kind, _folder(text, where))

    def __str__(self) -> str:
        return f"{self.kind}:{self.folder}"


def _folder(text: str, where: str) -> Path:
    if not where:
        raise InvalidRequest(f"the pool {text!r} names no folder; {_HOW}")
    if _CONTROL.search(where):
        raise InvalidRequest(f"the pool {text!r} has a control character in its path; {_HOW}")
    folder = Path("/" + where.lstrip("/"))  # POSIX gives a leading `//` a meaning of its own
    if not where.startswith("/"):
        raise InvalidRequest(f"the pool {text!r} has a relative path; {_HOW}")
    if ".." in folder.parts:
        raise InvalidRequest(f"the pool {text!r} has `..` in its path; write the path without it")
    if folder == Path("/"):
        raise InvalidRequest(f"the pool {text!r} would be the whole root file system; name a folder of its own")
    return folder
