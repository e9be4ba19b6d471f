"""The state machine: any system under any order of calls, with restarts, against the ledger."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rokcsi.model.errors import Conflict, InvalidRequest, NotFound, RokcsiError
from tests.contract.ledger import BLOCK, NEVER_MADE, Contents, Ledger, LedgerSnapshot, LedgerVolume
from tests.contract.systems import SeenSnapshot, SeenVolume, System

T = TypeVar("T")
STEP = 1 << 20  # a multiple of every pool's allocation unit
VOLUMES = st.sampled_from([f"volume {number} é" for number in range(3)])
SNAPSHOTS = st.sampled_from([f"snapshot {number} é" for number in range(3)])
GROUPS = st.sampled_from(["group 0", "group 1"])
MEMBERS = st.lists(VOLUMES, min_size=1, max_size=3, unique=True) | st.lists(VOLUMES, max_size=2)
SIZES = st.sampled_from([STEP, 2 * STEP, 3 * STEP])
LIMITS = st.just(0) | SIZES


class VolumesMachine(RuleBasedStateMachine):
    """Subclasses say with `opening` which system is driven; each run begins with a fresh one."""

    opening: Callable[[], AbstractContextManager[System]]

    @initialize()
    def open(self) -> None:
        """Begin with an empty system."""
        self.ledger = Ledger()
        self.handles: dict[str, str] = {}
        self._open = type(self).opening()
        self.system = self._open.__enter__()

    def teardown(self) -> None:
        """Look at every byte, then at what remains when all is deleted."""
        if not hasattr(self, "system"):
            return
        try:
            self._compare_all_contents()
            self._delete_everything()
        finally:
            self._open.__exit__(None, None, None)

    @rule(name=VOLUMES, required=SIZES, limit=LIMITS)
    def create(self, name: str, required: int, limit: int) -> None:
        """Make an empty volume."""
        self._create(name, required, limit, None)

    @precondition(lambda self: self.ledger.all_snapshots())
    @rule(name=VOLUMES, required=st.just(0) | SIZES, limit=LIMITS, data=st.data())
    def clone(self, name: str, required: int, limit: int, data: st.DataObject) -> None:
        """Make a volume from a snapshot."""
        handles = sorted(snapshot.seen.handle for snapshot in self.ledger.all_snapshots())
        self._create(name, required, limit, ("snapshot", data.draw(st.sampled_from(handles))))

    @precondition(lambda self: self.ledger.volumes)
    @rule(name=VOLUMES, source=VOLUMES, required=st.just(0) | SIZES, limit=LIMITS)
    def copy(self, name: str, source: str, required: int, limit: int) -> None:
        """Make a volume from a volume."""
        self._create(name, required, limit, ("volume", self.handles.get(source, NEVER_MADE)))

    @precondition(lambda self: self.ledger.volumes)
    @rule(data=st.data(), block=st.integers(0, 5), byte=st.integers(0, 255))
    def write(self, data: st.DataObject, block: int, byte: int) -> None:
        """Fill a block of a volume that is there."""
        name = data.draw(st.sampled_from(sorted(self.ledger.volumes)))
        volume = self.ledger.volumes[name]
        self.system.write(volume.handle, block * BLOCK, bytes([byte]) * BLOCK)
        self.ledger.volumes[name] = replace(volume, contents=volume.contents.with_block(block, byte))

    @precondition(lambda self: self.ledger.volumes)
    @rule(name=VOLUMES, required=SIZES)
    def grow(self, name: str, required: int) -> None:
        """Make a volume larger."""
        volume = self.ledger.volumes.get(name)
        refusal = None if volume else NotFound
        size = self._answer(refusal, lambda: self.system.grow(self.handles.get(name, NEVER_MADE), required))
        if volume is not None:
            contents = volume.contents.grown(required)
            assert size == contents.size
            self.ledger.volumes[name] = replace(volume, contents=contents)

    @rule(name=VOLUMES)
    def delete(self, name: str) -> None:
        """Remove a volume, there or not."""
        self.system.delete(self.handles.get(name, NEVER_MADE))
        self.ledger.volumes.pop(name, None)

    @rule(name=SNAPSHOTS, volume=VOLUMES)
    def cut(self, name: str, volume: str) -> None:
        """Take a snapshot, again or for the first time."""
        handle = self.handles.get(volume, NEVER_MADE)
        there = self.ledger.snapshots.get(name)
        if there is not None and handle in self.handles.values():
            refusal: type[RokcsiError] | None = None if there.seen.volume == handle else Conflict
        else:
            refusal = None if volume in self.ledger.volumes else NotFound
        seen = self._answer(refusal, lambda: self.system.cut(name, handle))
        if seen is not None and there is not None:
            assert seen == there.seen
        elif seen is not None:
            self.ledger.snapshots[name] = self._cut(seen, volume, group=False)

    @precondition(lambda self: self.ledger.snapshots)
    @rule(data=st.data())
    def delete_snapshot(self, data: st.DataObject) -> None:
        """Remove a snapshot that is there, twice."""
        snapshot = self.ledger.snapshots.pop(data.draw(st.sampled_from(sorted(self.ledger.snapshots))))
        for _ in range(2):
            self.system.delete_snapshot(snapshot.seen.handle)

    @precondition(lambda self: self.ledger.volumes)
    @rule(name=GROUPS, volumes=MEMBERS)
    def cut_group(self, name: str, volumes: list[str]) -> None:
        """Take a group, again or for the first time."""
        handles = [self.handles.get(volume, NEVER_MADE) for volume in volumes]
        there = self.ledger.groups.get(name)
        refusal = self._refusal_of_group(there, volumes, handles)
        cut = self._answer(refusal, lambda: self.system.cut_group(name, handles))
        if cut is None:
            return
        assert [seen.volume for seen in cut] == handles
        if there is not None:
            assert list(cut) == [there[handle].seen for handle in handles]
        else:
            members = zip(volumes, cut, strict=True)
            self.ledger.groups[name] = {seen.volume: self._cut(seen, of, group=True) for of, seen in members}

    @precondition(lambda self: self.ledger.groups)
    @rule(data=st.data(), named=st.booleans())
    def delete_group(self, data: st.DataObject, named: bool) -> None:  # noqa: FBT001 - hypothesis draws it
        """Remove a group; none of its members can be removed alone before."""
        group = self.ledger.groups.pop(data.draw(st.sampled_from(sorted(self.ledger.groups))))
        members = [member.seen for member in group.values()]
        with pytest.raises(InvalidRequest):
            self.system.delete_snapshot(members[0].handle)
        for _ in range(2):
            self.system.delete_group(members[0].group, [seen.handle for seen in members] if named else [])

    @rule()
    def restart(self) -> None:
        """Kill the driver, start the next, and look at every byte."""
        self.system.restart()
        self._compare_all_contents()

    @invariant()
    def lists_what_is_there(self) -> None:
        """The lists are the ledger's, whatever happened."""
        if not hasattr(self, "system"):
            return
        volumes = {SeenVolume(volume.handle, volume.contents.size) for volume in self.ledger.volumes.values()}
        assert self.system.volumes() == volumes
        assert self.system.snapshots() == {snapshot.seen for snapshot in self.ledger.all_snapshots()}
        assert self.system.strays() == []

    def _create(self, name: str, required: int, limit: int, source: tuple[str, str] | None) -> None:
        refusal = self.ledger.refusal_of_volume(name, required, limit, source)
        kind, handle = source or ("", "")
        snapshot, volume = (handle, "") if kind == "snapshot" else ("", handle)
        seen = self._answer(refusal, lambda: self.system.create(name, required, limit, snapshot, volume))
        if seen is None:
            return
        self.handles[name] = seen.handle
        if name not in self.ledger.volumes:
            begins = self.ledger.beginning(source)
            assert begins is not None
            self.ledger.volumes[name] = LedgerVolume(seen.handle, begins.grown(required), source)
        assert seen.size == self.ledger.volumes[name].contents.size

    def _refusal_of_group(
        self, there: dict[str, LedgerSnapshot] | None, volumes: list[str], handles: list[str]
    ) -> type[RokcsiError] | None:
        if NEVER_MADE in handles:
            return RokcsiError  # NotFound or InvalidRequest, whichever is seen first
        if not handles or len(set(handles)) < len(handles):
            return InvalidRequest
        if there is not None:
            return None if set(there) == set(handles) else Conflict
        return None if all(volume in self.ledger.volumes for volume in volumes) else NotFound

    def _cut(self, seen: SeenSnapshot, volume: str, *, group: bool) -> LedgerSnapshot:
        contents = self.ledger.volumes[volume].contents
        assert (seen.volume, seen.size, bool(seen.group)) == (self.handles[volume], contents.size, group)
        return LedgerSnapshot(seen, contents)

    def _answer(self, refusal: type[RokcsiError] | None, call: Callable[[], T]) -> T | None:
        if refusal is None:
            return call()
        with pytest.raises(refusal):
            call()
        return None

    def _compare_all_contents(self) -> None:
        for name, volume in self.ledger.volumes.items():
            assert _as_contents(self.system.read(volume.handle)) == _squeezed(volume.contents), name
        for snapshot in self.ledger.all_snapshots():
            clone = self.system.create("to look at", 0, 0, snapshot.seen.handle, "")
            assert _as_contents(self.system.read(clone.handle)) == _squeezed(snapshot.contents)
            self.system.delete(clone.handle)

    def _delete_everything(self) -> None:
        for volume in self.ledger.volumes.values():
            self.system.delete(volume.handle)
        for snapshot in self.ledger.snapshots.values():
            self.system.delete_snapshot(snapshot.seen.handle)
        for group in self.ledger.groups.values():
            self.system.delete_group(next(iter(group.values())).seen.group, [])
        assert (self.system.volumes(), self.system.snapshots(), self.system.strays()) == (set(), set(), [])


def _as_contents(data: bytes) -> Contents:
    """Read contents back, so that a difference is told in blocks and not in megabytes."""
    blocks = [(start // BLOCK, data[start]) for start in range(0, len(data), BLOCK) if data[start]]
    contents = Contents(len(data), tuple(blocks))
    assert contents.bytes() == data, "a block is torn"
    return contents


def _squeezed(contents: Contents) -> Contents:
    return replace(contents, blocks=tuple((block, byte) for block, byte in contents.blocks if byte))
