"""Rosters that somebody has written down: in the setting itself, or in a file that is read again when it changes.

# a file, one thing a line
node 10.0.0.1:9811 worker-1
node 10.0.0.2:9811
forgotten 0123456789abcdef0123456789abcdef
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

from rokcsi.model.errors import InvalidRequest, RosterAway, StillInUse
from rokcsi.model.ids import PoolId
from rokcsi.model.roster import NodeAddress

_Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Entries:
    """What a roster says at one time."""

    nodes: frozenset[NodeAddress]
    forgotten: frozenset[PoolId] = frozenset()


class StaticRoster:
    """Addresses that never change."""

    def __init__(self, addresses: str) -> None:
        """Read HOST:PORT,HOST:PORT; raise InvalidRequest."""
        self._nodes = frozenset(NodeAddress(_checked(each.strip())) for each in addresses.split(","))

    def addresses(self) -> Collection[NodeAddress]:
        """Give what was written."""
        return self._nodes

    def forgotten(self) -> Collection[PoolId]:
        """Give nothing."""
        return ()

    def watch(self, changed: Callable[[], None]) -> None:
        """Do nothing: nothing changes."""

    def close(self) -> None:
        """Do nothing."""


class FileRoster:
    """A file that an administrator edits; it is looked at whenever somebody asks, and read when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[_Version, Entries] | None = None

    def addresses(self) -> Collection[NodeAddress]:
        """Give the nodes of the file; raise RosterAway where it cannot be read."""
        return self._entries().nodes

    def forgotten(self) -> Collection[PoolId]:
        """Give the forgotten pools of the file; raise RosterAway where it cannot be read."""
        return self._entries().forgotten

    def watch(self, changed: Callable[[], None]) -> None:
        """Do nothing: whoever asks hears what is new."""

    def close(self) -> None:
        """Do nothing."""

    def pools_of(self, node: str) -> Collection[PoolId]:
        """Give nothing: the file does not know what is where."""
        _ = node
        return ()

    def forget(self, node: str, pools: Collection[PoolId]) -> None:
        """Append the pools; raise StillInUse while the file lists the node, RosterAway where it cannot be written."""
        entries = self._entries()
        if any(node in {each.machine, each.address} for each in entries.nodes):
            raise StillInUse(f"{self._path} lists the node {node}; take it out first")
        text = "".join(f"forgotten {pool}\n" for pool in sorted(set(pools) - entries.forgotten))
        try:
            with self._path.open("a+", encoding="utf-8") as file:
                file.write(_line_ended(file) + text)
        except OSError as error:
            raise RosterAway(f"the roster {self._path} cannot be written: {error.strerror}") from error

    def _entries(self) -> Entries:
        try:
            version = _version(self._path.stat())
            seen = self._seen
            if seen is None or seen[0] != version:
                read = read_entries(self._path.read_text(encoding="utf-8"), self._path)
                seen = self._seen = version, _unless_equal(read, seen[1] if seen else None)
        except (OSError, UnicodeDecodeError) as error:
            raise RosterAway(f"the roster {self._path} cannot be read: {error}") from error
        return seen[1]


def read_entries(text: str, path: Path) -> Entries:
    """Read a roster's text; raise RosterAway that names the line that is wrong."""
    nodes: set[NodeAddress] = set()
    forgotten: set[PoolId] = set()
    for number, words in _lines(text):
        try:
            match words:
                case ["node", address]:
                    nodes.add(NodeAddress(_checked(address)))
                case ["node", address, machine]:
                    nodes.add(NodeAddress(_checked(address), machine))
                case ["forgotten", pool]:
                    forgotten.add(PoolId(pool))
                case _:
                    _refuse(words)
        except (InvalidRequest, ValueError) as error:
            raise RosterAway(f"the roster {path} is wrong in line {number}: {error}") from error
    return Entries(frozenset(nodes), frozenset(forgotten))


def _refuse(words: list[str]) -> NoReturn:
    raise InvalidRequest(f"{' '.join(words)!r} is neither `node HOST:PORT [NAME]` nor `forgotten POOL`")


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words


def _checked(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise InvalidRequest(f"{address!r} is not HOST:PORT")
    return address


def _line_ended(file: TextIO) -> str:
    """Give what ends a file's last line, where its editor has not."""
    file.seek(0)
    before = file.read()
    return "\n" if before and not before.endswith("\n") else ""


def _version(stat: os.stat_result) -> _Version:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _unless_equal(read: Entries, before: Entries | None) -> Entries:
    """Give the same collection of nodes while it says the same, as a roster promises."""
    return Entries(before.nodes, read.forgotten) if before and before.nodes == read.nodes else read
