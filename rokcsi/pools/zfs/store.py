"""The tools a ZFS pool is changed with, what their refusals mean, and what is not known after one that did not end.

Called by every other file of this folder that changes something.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rokcsi.model.errors import PoolAway, PoolFull, RokcsiError
from rokcsi.pools.zfs.records import OWN
from rokcsi.system.command import HostRunner
from rokcsi.system.zfs import Zfs, ZfsRow, pool_state
from rokcsi.system.zfs_programs import Argument, ChannelPrograms, Note, Program
from rokcsi.system.zfs_refusals import ZfsRefusal, ZfsRefused, refusal_of_number, refused

_PROGRAMS = Path(__file__).with_name("programs")
_NOTHING = Program("return {}")
_WORKING = frozenset({"ONLINE", "DEGRADED"})


def program(name: str) -> Program:
    """Give one of the channel programs of this folder."""
    return Program((_PROGRAMS / f"{name}.lua").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a channel program returned, by full names.

    `failed`: refusals as error numbers, in which case nothing was changed; `gone`: what is no
    longer there; `left`: what is still there although it was deleted, with the bytes it uses;
    `open`: snapshots whose volume somebody had open; `referenced`: what each refers to, in bytes;
    `clones`: whether a program can clone.
    """

    failed: Mapping[str, int] = field(default_factory=dict)
    gone: Mapping[str, bool] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    open: Mapping[str, bool] = field(default_factory=dict)
    referenced: Mapping[str, int] = field(default_factory=dict)
    clones: bool = False

    def refusals(self) -> Mapping[str, ZfsRefusal]:
        """Give the refusals in words."""
        return {name: refusal_of_number(number) for name, number in self.failed.items()}

    def raise_refusal(self) -> None:
        """Raise ZfsRefused for the first refusal, if there is one."""
        for name, number in self.failed.items():
            raise refused(name, number)


class Store:
    """One ZFS pool as something that can be changed.

    `doubtful` are the names of which nobody knows whether a change has come about; `settle`
    looks, before anybody is told anything again.
    """

    def __init__(self, pool: str, runner: HostRunner) -> None:
        self.zfs = Zfs(runner)
        self._pool = pool
        self._programs = ChannelPrograms(runner, pool)
        self._notes: dict[str, Note] = {}
        self._doubtful: set[str] = set()
        self._settling = threading.Lock()
        self._noting = threading.Lock()

    def make_ready(self) -> None:
        """Have everything at hand that the next channel program needs."""
        self._programs.make_ready()

    def run(self, program: Program, arguments: Argument) -> Outcome:
        """Run a channel program; again where something else was cut in the same transaction group.

        What was noted since the last one is written by it, too.
        """
        notes = self._taken_notes()
        try:
            while True:
                outcome = Outcome(**self._programs.run(program, arguments, notes))
                if ZfsRefusal.AGAIN not in outcome.refusals().values():
                    return outcome
        except BaseException:
            with self._noting:
                self._notes = {**{note.dataset: note for note in notes}, **self._notes}
            raise
        finally:
            self._programs.make_ready()

    def note(self, note: Note) -> None:
        """Have a property set with the next program, since it is not worth one of its own."""
        with self._noting:
            self._notes[note.dataset] = note

    @contextmanager
    def changing(self, deed: str, names: Iterable[str]) -> Iterator[None]:
        """Change these things within a block: refusals become PoolFull and PoolAway; `deed` says what was tried.

        Whatever else goes wrong leaves their names in doubt. Raises PoolAway at once where the pool is stopped.
        """
        self.refuse_away()
        try:
            with explained(deed, self._pool):
                yield
        except ZfsRefused as refusal:
            if refusal.refusal is ZfsRefusal.MISSING:
                self.refuse_away()  # of an exported pool ZFS says only that the dataset does not exist
            raise
        except PoolFull:
            raise
        except BaseException:
            self.doubt(names)
            raise

    def doubt(self, names: Iterable[str]) -> None:
        """Have a look at these before anybody is told anything again."""
        self._doubtful.update(names)

    def refuse_away(self) -> None:
        """Raise PoolAway where a command would wait for ever."""
        state = pool_state(self._pool)
        if state not in _WORKING:
            raise _away(self._pool, "is not imported here" if state is None else f"is {state}")

    def settle(self, look: Callable[[Sequence[str], Sequence[ZfsRow]], None]) -> None:
        """Look at all that is in doubt: `look` gets the names and what is there of them. Raises PoolAway."""
        if not self._doubtful:
            return
        with self._settling:
            names = sorted(self._doubtful)
            self.refuse_away()
            with explained("look at what is in doubt", self._pool):
                look(names, self.zfs.rows_of(names, OWN))
            self._doubtful.difference_update(names)

    def close(self) -> None:
        """Write down what was noted, and let go of what was at hand."""
        try:
            if self._notes and pool_state(self._pool) in _WORKING:
                with contextlib.suppress(RokcsiError):
                    self.run(_NOTHING, [])
        finally:
            self._programs.close()

    def _taken_notes(self) -> Sequence[Note]:
        with self._noting:
            notes, self._notes = list(self._notes.values()), {}
        return notes


@contextmanager
def explained(deed: str, pool: str) -> Iterator[None]:
    """Turn ZFS's refusals into PoolFull and PoolAway where they are of the pool, and not of the thing."""
    try:
        yield
    except ZfsRefused as refused:
        if refused.refusal is ZfsRefusal.FULL:
            raise PoolFull(
                f"no room is left to {deed}; delete snapshots or volumes, or enlarge the pool or its quota ({refused})"
            ) from refused
        if refused.refusal in {ZfsRefusal.AWAY, ZfsRefusal.READONLY}:
            raise _away(pool, f"refuses to {deed} ({refused})") from refused
        raise


def _away(pool: str, what: str) -> PoolAway:
    return PoolAway(f"the ZFS pool {pool} {what}; see `zpool status {pool}`")
