"""What clients did to a pool and what they were told, and from that: what has to be there after a power cut at any moment."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

SLOT = 1 << 16
SLOTS = 8
EMPTY = 0
Slots = tuple[int, ...]
"""What stands in each slot of a volume: the seed of its contents, or EMPTY."""


@dataclass(frozen=True)
class Deed:
    """One call of a client: `kind` one of create, clone, write, cut, delete, delete-snapshots, scribble, cut-scribbled.

    `sources` are the volumes cut, or the snapshot cloned; `slot` and `seed` are a write's. The
    seed of a scribble, or of a cut of what is scribbled meanwhile, is the least number that has to be found in it.
    """

    number: int
    kind: str
    names: tuple[str, ...]
    sources: tuple[str, ...] = ()
    slot: int = 0
    seed: int = 0

    @property
    def begun(self) -> str:
        """The mark that is written before the call."""
        return f"begun-{self.number}"

    @property
    def told(self) -> str:
        """The mark that is written when the call has returned."""
        return f"told-{self.number}"


class History:
    """The deeds of all clients, in the order in which they began; safe to use from many threads."""

    def __init__(self, mark: Callable[[str], None]) -> None:
        self.deeds: list[Deed] = []
        self._mark = mark
        self._numbers = itertools.count()
        self._mutex = threading.Lock()

    def tell(self, deed: Callable[[int], Deed], call: Callable[[], object]) -> None:
        """Do a deed, and mark when it began and when it had returned."""
        with self._mutex:
            told = deed(next(self._numbers))
            self.deeds.append(told)
        self._mark(told.begun)
        call()
        self._mark(told.told)


@dataclass
class Expected:
    """What has to be found: volumes and snapshots with their slots; `unsure` names may be there or not, with anything in them."""

    volumes: dict[str, Slots] = field(default_factory=dict)
    snapshots: dict[str, Slots] = field(default_factory=dict)
    at_least: dict[str, int] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    unsure_slots: dict[str, int] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Give the names of everything that has to be found."""
        return {*self.volumes, *self.snapshots, *self.at_least} - self.unsure


def expected_at(deeds: Sequence[Deed], marks: Mapping[str, int], point: int, until: int) -> Expected:
    """Tell what has to be there when the power goes somewhere between two moments; `marks` tells the moment of each mark."""
    expected = Expected()
    for deed in deeds:
        if marks.get(deed.told, until + 1) <= point:
            _do(deed, expected)
        elif marks.get(deed.begun, until + 1) <= until:
            _perhaps_do(deed, expected)
    return expected


def _do(deed: Deed, expected: Expected) -> None:
    if deed.kind == "create":
        expected.volumes[deed.names[0]] = (EMPTY,) * SLOTS
    elif deed.kind == "clone":
        expected.volumes[deed.names[0]] = expected.snapshots[deed.sources[0]]
    elif deed.kind == "write":
        slots = expected.volumes[deed.names[0]]
        expected.volumes[deed.names[0]] = (*slots[: deed.slot], deed.seed, *slots[deed.slot + 1 :])
    elif deed.kind == "cut":
        cut = zip(deed.names, deed.sources, strict=True)
        expected.snapshots |= {name: expected.volumes[source] for name, source in cut}
    elif deed.kind in {"scribble", "cut-scribbled"}:
        expected.volumes.pop(deed.names[0], None)
        expected.at_least[deed.names[0]] = deed.seed
    else:
        for name in deed.names:
            expected.volumes.pop(name, None)
            expected.snapshots.pop(name, None)


def _perhaps_do(deed: Deed, expected: Expected) -> None:
    if deed.kind == "write":
        expected.unsure_slots[deed.names[0]] = deed.slot
    elif deed.kind != "scribble":
        expected.unsure.update(deed.names)
