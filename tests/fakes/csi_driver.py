"""A whole CSI driver on a real socket over a pool in memory, with a caller for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.server import WORKERS, Server
from rokcsi.csi.services import whole_driver
from rokcsi.csi.shown import Shown
from rokcsi.csi.unix_socket import UnixSocket
from rokcsi.model.pool import Pool
from rokcsi.model.provisioner import Provisioner
from rokcsi.pools.admitting import AdmittingPool, Limits
from rokcsi.pools.idempotent import IdempotentPool
from rokcsi.pools.locked import LockedPool
from rokcsi.pools.memory import MemoryPool
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.provisioning import PoolProvisioner
from tests.fakes.csi_caller import CsiCaller
from tests.fakes.memory_node import MemoryNodeVolumes
from tests.fakes.scripted_checker import ScriptedChecker

NODE = "node-1"


@dataclass(slots=True)
class RememberedCalls:
    """A CallLog that keeps everything."""

    lines: list[tuple[str, str, float, Mapping[str, Shown]]] = field(default_factory=list)

    def finished(self, method: str, code: str, seconds: float, fields: Mapping[str, Shown]) -> None:
        self.lines.append((method, code, seconds, fields))


@dataclass(slots=True)
class CsiDriver(CsiCaller):
    """The driver under test, and what it is made of."""

    pool: MemoryPool
    provisioner: Provisioner
    node: MemoryNodeVolumes
    calls: RememberedCalls
    socket: Path
    server: Server

    def everything(self) -> tuple[Sequence[object], Sequence[object], Mapping[str, object], Mapping[Path, object]]:
        """Give all that exists: two of these are equal when nothing was made, changed or removed in between."""
        return self.pool.volumes(), self.pool.snapshots(), dict(self.node.staged), dict(self.node.published)


@contextmanager
def csi_driver(
    folder: Path, memory: MemoryPool | None = None, identity: DriverIdentity | None = None, *, ready: bool = True
) -> Iterator[CsiDriver]:
    """Serve a driver on a socket below `folder`."""
    folder.joinpath("pool").mkdir(exist_ok=True)
    pool = memory or MemoryPool(folder / "pool")
    locks = KeyedLocks(WORKERS // 2)
    wrapped: Pool = LockedPool(IdempotentPool(AdmittingPool(pool, Limits())), locks)
    provisioner = PoolProvisioner(wrapped, ScriptedChecker(), locks)
    node, calls = MemoryNodeVolumes(provisioner), RememberedCalls()
    driver = identity or DriverIdentity(version="1.2.3", node_id=NODE)
    socket = folder / "run" / "csi.sock"
    services = whole_driver(provisioner, node, driver, lambda: ready)
    server = Server(UnixSocket(socket), services, calls=[calls])
    server.start()
    try:
        with grpc.insecure_channel(server.endpoint) as channel:
            yield CsiDriver(channel, pool, provisioner, node, calls, socket, server)
    finally:
        server.stop(grace_seconds=5)
