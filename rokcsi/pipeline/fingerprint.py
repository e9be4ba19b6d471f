"""One hash for all that a folder holds, to prove that nothing in it has changed."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path


def of_folder(folder: Path) -> str:
    """Give a SHA-256 over every path below `folder`, its kind, mode, owner and contents; times are left out.

    The same tree gives the same text on any machine; 64 hexadecimal digits.
    """
    total = hashlib.sha256()
    waiting = [folder]
    while waiting:
        for entry in sorted(os.scandir(waiting.pop()), key=lambda entry: entry.name):
            found = entry.stat(follow_symlinks=False)
            name = os.path.relpath(entry.path, folder)
            head = f"{name}\0{found.st_mode:o}\0{found.st_uid}\0{found.st_gid}\0".encode(errors="surrogateescape")
            total.update(head + _content(Path(entry.path), found.st_mode))
            if stat.S_ISDIR(found.st_mode):
                waiting.append(Path(entry.path))
    return total.hexdigest()


def _content(path: Path, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        return hashlib.sha256(os.fsencode(path.readlink())).digest()
    if stat.S_ISREG(mode):
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    return b""
