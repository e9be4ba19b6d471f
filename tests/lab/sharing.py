"""What a guest gets from its host: the project, its environment and interpreter, and what is cached for csi-sanity and the demo."""

from __future__ import annotations

import compileall
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from demo.project import wheels
from sanity.toolchain import cache, csi_sanity
from tests.lab.guest import HOUSE, Machine, built_guest

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DISK = "16G"
_PROGRAMS = ("rokcsi", "tests", "demo", "sanity")


def machine(limit_seconds: float) -> Machine:
    """Give a guest with all that the project's programs need in it, on the first CPU; makes what is not cached yet.

    It has one disk for the pool, and one to grow it or to test with. The project is compiled
    before: a guest keeps no byte code, so each of its processes would compile all that it imports.
    """
    for folder in _PROGRAMS:
        compileall.compile_dir(HOUSE / folder, quiet=1)
    return Machine(
        built=built_guest(),
        disks=(_DISK, _DISK),
        writable=[HOUSE],
        readable=[*_interpreter(), csi_sanity().parent, wheels().parent],
        environment=_environment(),
        limit_seconds=limit_seconds,
    )


def _interpreter() -> list[Path]:
    """Give where the interpreter lies, unless that is /usr: there the guest has its own, of the same Debian."""
    prefix = Path(sys.base_prefix).resolve()
    return [] if prefix == Path("/usr") else [prefix]


def _environment() -> Mapping[str, str]:
    """Give what a shell in the guest has: our programs first, and the host's cache."""
    return {
        "PATH": f"{HOUSE / '.venv' / 'bin'}:{_PATH}",
        "XDG_CACHE_HOME": str(cache().parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TERM": os.environ.get("TERM", "dumb"),
    }
