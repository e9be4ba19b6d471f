"""A storm of clients on a pool: each makes, writes, cuts, clones and deletes things of its own, and remembers what it was told."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Sequence

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import GroupMembership, NewSnapshot
from rokcsi.model.volume import NewVolume
from tests.system.power_cuts.history import SLOT, SLOTS, Deed, History

SIZE = Bytes(SLOT * SLOTS)
_MOST_VOLUMES = 4
_WEIGHTS = {"create": 2, "write": 8, "cut": 4, "clone": 3, "delete": 1, "delete-snapshots": 1}


def content_of(seed: int) -> bytes:
    """Give what a write of this seed puts into its slot."""
    return random.Random(seed).randbytes(SLOT)


class Client:
    """One client; it does one thing after the other, so that it knows what has to be where."""

    def __init__(self, name: str, pool: Pool, history: History, seed: int) -> None:
        self._name = name
        self._pool = pool
        self._history = history
        self._chance = random.Random(f"{seed}/{name}")
        self._volumes: list[str] = []
        self._snapshots: list[str] = []
        self._made = 0

    def play(self, deeds: int, stop: threading.Event) -> None:
        """Do so many deeds, or fewer if it is to stop."""
        for _ in range(deeds):
            if stop.is_set():
                return
            possible = [kind for kind in _WEIGHTS if self._can(kind)]
            [kind] = self._chance.choices(possible, [_WEIGHTS[kind] for kind in possible])
            getattr(self, f"_{kind.replace('-', '_')}")()

    def _can(self, kind: str) -> bool:
        if kind in {"create", "clone"} and len(self._volumes) >= _MOST_VOLUMES:
            return False
        if kind == "create":
            return True
        return bool(self._snapshots if kind in {"clone", "delete-snapshots"} else self._volumes)

    def _create(self) -> None:
        name = self._fresh("v")
        self._tell("create", (name,), (), lambda: self._pool.create_volume(NewVolume(name, SIZE, None)))
        self._volumes.append(name)

    def _clone(self) -> None:
        name, source = self._fresh("v"), self._chance.choice(self._snapshots)
        clone = NewVolume(name, SIZE, None)
        self._tell("clone", (name,), (source,), lambda: self._pool.clone_snapshot(SnapshotId.of_name(source), clone))
        self._volumes.append(name)

    def _write(self) -> None:
        name, slot, seed = (
            self._chance.choice(self._volumes),
            self._chance.randrange(SLOTS),
            self._chance.getrandbits(32),
        )

        def write() -> None:
            device = os.open(self._pool.attach(VolumeId.of_name(name)), os.O_WRONLY)
            try:
                os.pwrite(device, content_of(seed), slot * SLOT)
                os.fdatasync(device)
            finally:
                os.close(device)

        self._history.tell(lambda number: Deed(number, "write", (name,), (), slot, seed), write)

    def _cut(self) -> None:
        sources = self._chance.sample(self._volumes, self._chance.randint(1, len(self._volumes)))
        group = GroupMembership.of_name(self._fresh("g"), len(sources)) if len(sources) > 1 else None
        names = tuple(self._fresh("s") for _ in sources)
        news = [NewSnapshot(name, VolumeId.of_name(source), group) for name, source in zip(names, sources, strict=True)]
        # Nobody writes these volumes meanwhile: they are this client's own.
        aligned = self._pool.traits.raw_snapshots_together
        self._tell("cut", names, tuple(sources), lambda: self._pool.take_snapshots(news, aligned=aligned))
        self._snapshots += names

    def _delete(self) -> None:
        name = self._volumes.pop(self._chance.randrange(len(self._volumes)))
        self._tell("delete", (name,), (), lambda: self._pool.delete_volume(VolumeId.of_name(name)))

    def _delete_snapshots(self) -> None:
        going = self._chance.sample(self._snapshots, self._chance.randint(1, min(3, len(self._snapshots))))
        self._snapshots = [name for name in self._snapshots if name not in going]
        ids = [SnapshotId.of_name(name) for name in going]
        self._tell("delete-snapshots", tuple(going), (), lambda: self._pool.delete_snapshots(ids))

    def _tell(self, kind: str, names: tuple[str, ...], sources: tuple[str, ...], call: object) -> None:
        assert callable(call)
        self._history.tell(lambda number: Deed(number, kind, names, sources), call)

    def _fresh(self, letter: str) -> str:
        self._made += 1
        return f"{letter}-{self._name}-{self._made}"


def storm(clients: Sequence[Client], deeds: int, stop: threading.Event) -> None:
    """Let all clients do so many deeds each, side by side; what one raises, unless they were to stop, is raised."""
    failures: list[Exception] = []

    def play(client: Client) -> None:
        try:
            client.play(deeds, stop)
        except Exception as error:  # noqa: BLE001 - raised below
            if not stop.is_set():
                failures.append(error)

    threads = [threading.Thread(target=play, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
