"""Told in a guest after a suite: what it has left. `python -m tests.lab.left_behind [POOL]` fails when that is anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from rokcsi.system.loops import attached_loops
from tests.fakes.pool_witness import held_in


def main() -> int:
    """Name all of it; give the exit status."""
    told = [*_in_pool(sys.argv[1]), *_loops(), *_mounts()]
    for line in told:
        print(f"left behind: {line}")
    return 1 if told else 0


def _in_pool(pool: str) -> Iterator[str]:
    """Count without the driver what lies in the pool, when there is one."""
    held = held_in(pool) if pool else {}
    yield from (f"{number} {what} in {pool}" for what, number in held.items() if number)


def _loops() -> Iterator[str]:
    yield from (str(loop.path) for loop in attached_loops().values())


def _mounts() -> Iterator[str]:
    points = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    below = (point for point in points if Path("/tmp") in point.parents)
    # What holds this checkout was there before: it may be in /tmp, too.
    yield from (str(point) for point in below if not Path.cwd().is_relative_to(point))


if __name__ == "__main__":
    sys.exit(main())
