"""The dataset that is given to the pool: whose it is, which pool it is, and whether ZFS can do there what we need.

Called once, when the pool is opened. The pool's id is a property of the dataset; the lock
that keeps a second driver out lies in /run/lock, named after the dataset's guid.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from rokcsi.model.errors import Damaged, NotSupported, PoolAway, PoolTaken, RecordNotFound, SystemCallFailed
from rokcsi.model.ids import PoolId
from rokcsi.pools.zfs.records import OPENED, POOL
from rokcsi.system.command import HostRunner, Runner
from rokcsi.system.file_locks import holder_of, lock_alone, lock_alone_within
from rokcsi.system.zfs import Zfs, ZfsProperty, pool_state
from rokcsi.system.zfs_refusals import ZfsRefusal, ZfsRefused

_LOCKS = Path("/run/lock/rokcsi")
_LAST_COMMANDS_SECONDS = 70.0
_ASKED = (POOL, OPENED, "type", "guid", "volmode", "snapdev", "readonly")
_WANTED = {"volmode": "dev", "snapdev": "hidden", "readonly": "off"}
_WORKING = frozenset({"ONLINE", "DEGRADED"})


class Home:
    """The pool's dataset, held by this driver alone until `release`; `runner` is what changes it."""

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset
        self.pool = dataset.partition("/")[0]
        refuse_absent(self.pool)
        found = known(HostRunner(), dataset)
        self.id = identity(dataset, found)
        self.last_opened = _number(found[OPENED])
        _refuse_unfit(dataset, found)
        self._lock = _locked(found["guid"].value, dataset)
        self.runner = HostRunner(held=self._lock)

    def release(self) -> None:
        """Let another driver have the dataset."""
        os.close(self._lock)


def refuse_absent(pool: str) -> None:
    """Raise PoolAway where a ZFS pool is not imported, or does not work."""
    state = pool_state(pool)
    if state is None:
        raise PoolAway(f"the ZFS pool {pool} is not imported here; import it with `zpool import {pool}`")
    if state not in _WORKING:
        raise PoolAway(f"the ZFS pool {pool} is {state}; see `zpool status {pool}`")


def known(runner: Runner, dataset: str) -> Mapping[str, ZfsProperty]:
    """Give what has to be known of a pool's dataset; raise RecordNotFound where there is none."""
    try:
        found = Zfs(runner).properties([dataset], _ASKED)
    except ZfsRefused as refused:
        if refused.refusal is not ZfsRefusal.MISSING:
            raise
        raise RecordNotFound(
            f"there is no dataset {dataset}; make it with `rokcsi pool create --pool zfs:{dataset}`"
        ) from refused
    return {each.name: each for each in found}


def identity(dataset: str, found: Mapping[str, ZfsProperty]) -> PoolId:
    """Give the pool's id; raise RecordNotFound where the dataset has none of its own, Damaged."""
    mark = found[POOL]
    if not mark.is_local:
        raise RecordNotFound(
            f"the dataset {dataset} is no pool of rokcsi; make one with `rokcsi pool create --pool zfs:POOL/PATH`, "
            "with a path that is not taken"
        )
    try:
        return PoolId(mark.value)
    except ValueError as error:
        raise Damaged(f"the property {POOL} of {dataset} is no pool's id; restore it with `zfs set`") from error


def _number(mark: ZfsProperty) -> int:
    return int(mark.value) if mark.is_local and mark.value.isdecimal() else 0


def _refuse_unfit(dataset: str, found: Mapping[str, ZfsProperty]) -> None:
    for name, value in _WANTED.items():
        if found[name].value != value:
            raise NotSupported(
                f"the property {name} of {dataset} is {found[name].value}, and volumes need {value}; "
                f"set it with `zfs set {name}={value} {dataset}`"
            )


def _locked(guid: str, dataset: str) -> int:
    try:
        _LOCKS.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(_LOCKS / f"zfs-{guid}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SystemCallFailed(f"cannot lock the pool {dataset} in {_LOCKS}: {error.strerror}") from error
    try:
        _lock(fd, dataset)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _lock(fd: int, dataset: str) -> None:
    if lock_alone(fd):
        return
    pid = holder_of(fd)
    if pid is None or _runs(pid):
        holder = "another process" if pid is None else f"process {pid}"
        raise PoolTaken(f"the pool zfs:{dataset} is served by {holder} already; stop that one, or use another dataset")
    # Its driver is dead, and a command that it has started is not: every command holds the lock to its own end.
    if not lock_alone_within(fd, _LAST_COMMANDS_SECONDS):
        raise PoolTaken(
            f"a zfs command of a driver that died (process {pid}) still works on {dataset}; try again later"
        )


def _runs(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
