"""The content hash of a folder: every file's path, kind and bytes; what the demo compares before and after."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Contents:
    """How many files a folder holds, how many bytes are in them, and one hash over all of it."""

    files: int
    size: int
    sha256: str


def contents_of(folder: Path) -> Contents:
    """Read every file below a folder; links count with where they point to."""
    whole = hashlib.sha256()
    files = size = 0
    for path in sorted(_below(folder)):
        relative = str(path.relative_to(folder))
        if path.is_symlink():
            whole.update(f"{relative}\0link\0{path.readlink()}\n".encode(errors="surrogateescape"))
        elif path.is_dir():
            whole.update(f"{relative}\0folder\n".encode(errors="surrogateescape"))
        else:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{relative}\0file\0{digest}\n".encode(errors="surrogateescape"))
            files += 1
            size += path.stat().st_size
    return Contents(files, size, whole.hexdigest())


def _below(folder: Path) -> list[Path]:
    return [Path(top) / name for top, folders, names in os.walk(folder) for name in (*folders, *names)]
