"""ZFS channel programs: several changes in one transaction group, all on stable storage when the call returns.

A program runs inside the kernel while a transaction group is written, so nothing comes
between its steps, and a power cut leaves either all of them or none (zfs-program(8)). Its
text is Lua; what it is given stands behind it as a table. One `zfs program` is kept waiting
for its text: starting it takes several times longer than what the kernel then does, and that
must not happen inside a freeze window.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rokcsi.model.errors import Damaged
from rokcsi.system.command import Completed
from rokcsi.system.zfs_refusals import ZfsRefused, refusal_of_text

_SECONDS = 60.0
_OK, _ERROR, _USAGE = 0, 1, 2

Argument = str | Sequence["Argument"] | Mapping[str, "Argument"]


@dataclass(frozen=True, slots=True)
class Note:
    """A property to be set along with the next program, whatever that does; nothing happens where its dataset is gone."""

    dataset: str
    name: str
    value: str


_TAKE_NOTES = """
for _, note in ipairs(notes) do
  if zfs.exists(note[1]) then
    zfs.sync.set_prop(note[1], note[2], note[3])
  end
end
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A channel program's text; it finds what it is given in `arguments`, and returns a table."""

    text: str

    def given(self, arguments: Argument, notes: Sequence[Note] = ()) -> str:
        """Give the whole text for these arguments; none that is cut off before its end does anything."""
        noted = lua_literal([[note.dataset, note.name, note.value] for note in notes])
        body = f"{_TAKE_NOTES if notes else ''}{self.text}"
        return f"local function run(arguments, notes)\n{body}\nend\nreturn run({lua_literal(arguments)}, {noted})\n"


class Waiting(Protocol):
    """A program that waits for its standard input; `WaitingProgram` is one."""

    def is_waiting(self) -> bool:
        """Tell whether it still runs."""

    def told(self, text: str, *, timeout_seconds: float, accepted_statuses: Sequence[int]) -> Completed:
        """Tell it what to do, and wait for its end."""

    def dismiss(self) -> None:
        """Let it end without having done anything."""


class Starter(Protocol):
    """Starts programs that wait for their standard input; `HostRunner` is one."""

    def waiting(self, argv: Sequence[str]) -> Waiting:
        """Start one."""


class ChannelPrograms:
    """Runs channel programs on one pool, and keeps the next process ready; safe to use from many threads."""

    def __init__(self, starter: Starter, pool: str) -> None:
        self._starter = starter
        self._argv = ("zfs", "program", "-j", pool, "-")
        self._mutex = threading.Lock()
        self._ready: Waiting | None = None
        self._is_closed = False

    def make_ready(self) -> None:
        """Have a process waiting, so that the next run starts none."""
        with self._mutex:
            if self._is_closed or (self._ready is not None and self._ready.is_waiting()):
                return
            self._ready = self._starter.waiting(self._argv)

    def run(self, program: Program, arguments: Argument, notes: Sequence[Note] = ()) -> Mapping[str, Any]:
        """Run a program to its end; give the table it returned. Raises ZfsRefused, DidNotEnd."""
        ended = self._taken().told(
            program.given(arguments, notes), timeout_seconds=_SECONDS, accepted_statuses=(_OK, _ERROR, _USAGE)
        )
        if ended.status != _OK:
            said = " ".join((ended.stderr or ended.stdout).split())
            raise ZfsRefused(f"a channel program ended with status {ended.status}: {said}", refusal_of_text(said))
        return _returned(ended.stdout)

    def close(self) -> None:
        """Let the waiting process end."""
        with self._mutex:
            self._is_closed = True
            ready, self._ready = self._ready, None
        if ready is not None:
            ready.dismiss()

    def _taken(self) -> Waiting:
        with self._mutex:
            ready, self._ready = self._ready, None
        return ready if ready is not None and ready.is_waiting() else self._starter.waiting(self._argv)


def lua_literal(value: Argument) -> str:
    """Write a value as Lua; every byte that is no letter or digit becomes a number, so that no text can be code."""
    if isinstance(value, str):
        return f'"{"".join(_lua_byte(byte) for byte in value.encode())}"'
    if isinstance(value, Mapping):
        return f"{{{','.join(f'[{lua_literal(key)}]={lua_literal(each)}' for key, each in value.items())}}}"
    return f"{{{','.join(lua_literal(each) for each in value)}}}"


def _lua_byte(byte: int) -> str:
    letter = chr(byte)
    return letter if letter.isascii() and letter.isalnum() else f"\\{byte:03d}"


def _returned(text: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(text)["return"]
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"a channel program printed something unknown: {text[:200]!r}") from error
    if not isinstance(answer, dict):
        raise Damaged(f"a channel program returned no table: {text[:200]!r}")
    return answer
