"""How a pool comes to be: what is wished for, the steps that would make it, and what its admin should know of it.

Planning changes nothing; `rokcsi pool create --dry-run` shows the plan, and without it the
commands are run as they are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rokcsi.model.sizes import Bytes


@dataclass(frozen=True, slots=True)
class PoolWish:
    """A pool wished for: whole `disks` to make it from (none: what is there already), `size` in bytes (None: most of what there is)."""

    disks: tuple[Path, ...] = ()
    size: Bytes | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way to a pool: what it does, and the program that does it."""

    what: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Concern:
    """Something about how a pool is set up: what was `seen`, whether it is `good`, and else what to do."""

    what: str
    seen: str
    good: bool
    remedy: str = ""


class PoolMaker(Protocol):
    """Makes pools of one technology, and looks at how they are set up."""

    def plan(self, wish: PoolWish) -> Sequence[Step]:
        """Give the steps that make the pool, none when it is there; changes nothing.

        Raises StillInUse for a disk that holds anything, InvalidRequest for a wish that cannot be met, PoolFull.
        """

    def concerns(self) -> Sequence[Concern]:
        """Tell how a pool that is there is set up; raise Unavailable when it is not."""
