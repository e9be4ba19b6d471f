"""What people write to say where a pool is: its kind, a colon, and its place.

    loopfile:/FOLDER         files in a folder
    lvm:VG/THINPOOL          logical volumes, made by LVM's own commands
    lvm-direct:VG/THINPOOL   thin devices, made by device-mapper messages
    zfs:POOL/PATH            ZFS volumes below a dataset

Checked here in full, so that nothing else ever sees a name that a tool could take for an option or a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rokcsi.model.errors import InvalidRequest

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LVM_NAME = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}")  # lvm(8), VALID NAMES
_ZFS_POOL = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,254}")  # zpoolconcepts(7)
_ZFS_COMPONENT = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:-]{0,254}")
_LONGEST_DATASET = 128  # of the 255 that ZFS allows: our own names come below it
_FORMS = {
    "loopfile": "loopfile:/FOLDER, with an absolute path",
    "lvm": "lvm:VG/THINPOOL",
    "lvm-direct": "lvm-direct:VG/THINPOOL",
    "zfs": "zfs:POOL/PATH",
}
_ANY_FORM = "loopfile:/FOLDER, lvm:VG/THINPOOL, lvm-direct:VG/THINPOOL or zfs:POOL/PATH"


@dataclass(frozen=True, slots=True)
class PoolSpecification:
    """A kind of pool, and where it is: a folder, `VG/THINPOOL` or `POOL/PATH`."""

    kind: str
    place: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a person wrote; raise InvalidRequest with what to write instead."""
        kind, colon, place = text.partition(":")
        if kind not in _FORMS or not colon:
            raise InvalidRequest(f"the pool {text!r} is of no known kind; write it as {_ANY_FORM}")
        if not place:
            raise InvalidRequest(f"the pool {text!r} names no place; write it as {_FORMS[kind]}")
        if _CONTROL.search(place):
            raise InvalidRequest(f"the pool {text!r} has a control character in it; write it as {_FORMS[kind]}")
        if kind == "loopfile":
            return cls(kind, str(_folder(text, place)))
        return cls(kind, _dataset(text, place) if kind == "zfs" else _thin_pool(text, place))

    @property
    def folder(self) -> Path:
        """Give the folder of a loop-file pool."""
        return Path(self.place)

    @property
    def parts(self) -> tuple[str, str]:
        """Give the volume group and its thin pool, or the ZFS pool and the path below it."""
        first, _, rest = self.place.partition("/")
        return first, rest

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"


def _folder(text: str, where: str) -> Path:
    folder = Path("/" + where.lstrip("/"))  # POSIX gives a leading `//` a meaning of its own
    if not where.startswith("/"):
        raise InvalidRequest(f"the pool {text!r} has a relative path; write it as {_FORMS['loopfile']}")
    if ".." in folder.parts:
        raise InvalidRequest(f"the pool {text!r} has `..` in its path; write the path without it")
    if folder == Path("/"):
        raise InvalidRequest(f"the pool {text!r} would be the whole root file system; name a folder of its own")
    return folder


def _thin_pool(text: str, place: str) -> str:
    names = place.split("/")
    if len(names) != 2:  # noqa: PLR2004 - the two names that the form has
        raise InvalidRequest(f"the pool {text!r} is not a volume group and a thin pool; write it as lvm:VG/THINPOOL")
    for name in names:
        if _LVM_NAME.fullmatch(name) is None or name in {".", ".."}:
            raise InvalidRequest(
                f"the pool {text!r}: {name!r} is no LVM name: up to 127 of A-Z a-z 0-9 _ + . and -, not first -"
            )
    return place


def _dataset(text: str, place: str) -> str:
    pool, *path = place.split("/")
    if not path:
        raise InvalidRequest(
            f"the pool {text!r} would be the whole ZFS pool; name a dataset in it for us alone, such as zfs:{pool}/rokcsi"
        )
    names_fit = _ZFS_POOL.fullmatch(pool) and all(_ZFS_COMPONENT.fullmatch(name) for name in path)
    if not names_fit or {".", ".."}.intersection(path):
        raise InvalidRequest(
            f"the pool {text!r} is no ZFS dataset: its names consist of A-Z a-z 0-9 _ . : and -, not first -, "
            "and the pool's begins with a letter"
        )
    if len(place) > _LONGEST_DATASET:
        raise InvalidRequest(f"the pool {text!r} is longer than {_LONGEST_DATASET} characters; choose a shorter path")
    return place
