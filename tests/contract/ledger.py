"""What should be true: volumes and snapshots as the promises say, contents included, in plain dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rokcsi.model.errors import Conflict, InvalidRequest, NotFound, OutOfRange, RokcsiError
from tests.contract.systems import SeenSnapshot

BLOCK = 4096
NEVER_MADE = "never made"  # no handle at all: unknown, whatever else is wrong


@dataclass(frozen=True)
class Contents:
    """Zeroes, but for some blocks filled with one byte each."""

    size: int
    blocks: tuple[tuple[int, int], ...] = ()

    def with_block(self, block: int, byte: int) -> Contents:
        """Overwrite one block."""
        return replace(self, blocks=tuple(sorted({**dict(self.blocks), block: byte}.items())))

    def grown(self, size: int) -> Contents:
        """Add zeroes."""
        return replace(self, size=max(self.size, size))

    def bytes(self) -> bytes:
        """Give all of it."""
        whole = bytearray(self.size)
        for block, byte in self.blocks:
            whole[block * BLOCK : (block + 1) * BLOCK] = bytes([byte]) * BLOCK
        return bytes(whole)


@dataclass(frozen=True)
class LedgerVolume:
    """`source` is ("snapshot" | "volume", the source's handle), None when it began empty."""

    handle: str
    contents: Contents
    source: tuple[str, str] | None


@dataclass(frozen=True)
class LedgerSnapshot:
    """`seen` is the answer that was given the first time."""

    seen: SeenSnapshot
    contents: Contents


@dataclass
class Ledger:
    """By the names that callers gave; group members under (group's name, volume's handle)."""

    volumes: dict[str, LedgerVolume] = field(default_factory=dict)
    snapshots: dict[str, LedgerSnapshot] = field(default_factory=dict)
    groups: dict[str, dict[str, LedgerSnapshot]] = field(default_factory=dict)

    def all_snapshots(self) -> list[LedgerSnapshot]:
        """Give those that are alone, then the members of groups."""
        members = [member for group in self.groups.values() for member in group.values()]
        return [*self.snapshots.values(), *members]

    def snapshot_by_handle(self, handle: str) -> LedgerSnapshot | None:
        """Find a snapshot."""
        return next((each for each in self.all_snapshots() if each.seen.handle == handle), None)

    def volume_by_handle(self, handle: str) -> LedgerVolume | None:
        """Find a volume."""
        return next((each for each in self.volumes.values() if each.handle == handle), None)

    def refusal_of_volume(
        self, name: str, required: int, limit: int, source: tuple[str, str] | None
    ) -> type[RokcsiError] | None:
        """Say how the wish for a volume should be refused, None when it should be granted."""
        if limit and limit < required:
            return InvalidRequest
        if source is not None and source[1] == NEVER_MADE:
            return NotFound
        there = self.volumes.get(name)
        if there is not None:
            fits = required <= there.contents.size and (not limit or there.contents.size <= limit)
            return None if fits and there.source == source else Conflict
        if source is None:
            return None
        begins = self.beginning(source)
        if begins is None:
            return NotFound
        return OutOfRange if (required and required < begins.size) or (limit and limit < begins.size) else None

    def beginning(self, source: tuple[str, str] | None) -> Contents | None:
        """Give the contents that a source has now, None when it is not there."""
        if source is None:
            return Contents(0)
        kind, handle = source
        found = self.snapshot_by_handle(handle) if kind == "snapshot" else self.volume_by_handle(handle)
        return None if found is None else found.contents
