"""Named places at which a test may let the process die, or a call fail.

`failpoint("loopfile.create.linked")` does nothing, unless the environment variable
ROKCSI_FAILPOINT names it when the process starts (`name`, or `name:3` for the third time it
is reached): then the process kills itself with SIGKILL. Every name is declared when its
module is imported, so that a test can visit all of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_VARIABLE = "ROKCSI_FAILPOINT"


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True)
class _Armed:
    """One name waited for; at the visit that brings `visits_left` to zero the deed is done."""

    name: str
    visits_left: int
    deed: Callable[[], None] = _die


def _from_environment() -> _Armed | None:
    name, _, count = os.environ.get(_VARIABLE, "").partition(":")
    return _Armed(name, int(count or 1)) if name else None


_declared: set[str] = set()
_armed = _from_environment()


def declare(*names: str) -> None:
    """Make names known; called at import by the module that has the failpoints."""
    _declared.update(names)


def declared() -> list[str]:
    """Give all names declared so far, sorted."""
    return sorted(_declared)


def failpoint(name: str) -> None:
    """Mark a place in a changing operation between two system calls."""
    if _armed is not None and _armed.name == name:
        _armed.visits_left -= 1
        if _armed.visits_left == 0:
            _armed.deed()


@contextmanager
def visiting(name: str, deed: Callable[[], None], *, visit: int = 1) -> Iterator[None]:
    """Let the `visit`-th visit of a failpoint do a deed, in this process and for this block only: for tests."""
    global _armed  # noqa: PLW0603 - one switch for the process, as the environment variable is
    before, _armed = _armed, _Armed(name, visit, deed)
    try:
        yield
    finally:
        _armed = before


@contextmanager
def failing(name: str, error: BaseException, *, visit: int = 1) -> Iterator[None]:
    """Let the `visit`-th visit of a failpoint raise `error`, in this process and for this block only: for tests."""

    def fail() -> None:
        raise error

    with visiting(name, fail, visit=visit):
        yield
