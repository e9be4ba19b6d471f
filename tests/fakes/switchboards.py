"""Nodes and a switchboard in one process, with real gRPC over TLS on loopback between them.

A node is a whole driver over a pool in memory; it can leave, come back at another address,
and be renamed. The switchboard is asked over a unix socket, as the sidecars do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.peers import SwitchboardOnly
from rokcsi.csi.server import WORKERS, Server
from rokcsi.csi.services import controllers
from rokcsi.csi.tls_port import TlsPort
from rokcsi.csi.unix_socket import UnixSocket
from rokcsi.model.ids import PoolId
from rokcsi.model.roster import NodeAddress
from rokcsi.pools.admitting import AdmittingPool, Limits
from rokcsi.pools.idempotent import IdempotentPool
from rokcsi.pools.locked import LockedPool
from rokcsi.pools.memory import MemoryPool
from rokcsi.switchboard.claim_origins import ClaimOrigins
from rokcsi.switchboard.dialling import Dialling
from rokcsi.switchboard.directory import Directory
from rokcsi.switchboard.services import switchboard
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.provisioning import PoolProvisioner
from tests.fakes.certificates import Authority, CertificateFiles
from tests.fakes.csi_caller import CsiCaller
from tests.fakes.csi_driver import RememberedCalls
from tests.fakes.scripted_checker import ScriptedChecker

DRIVER, KEY = "rokcsi.dev", "topology.rokcsi.dev/node"
CONTROLLER, NODES = "rokcsi-controller", "rokcsi-node"


class MemoryRoster:
    """A roster that a test writes."""

    def __init__(self) -> None:
        self.nodes: frozenset[NodeAddress] = frozenset()
        self.gone: set[PoolId] = set()
        self.changed: Callable[[], None] = lambda: None

    def addresses(self) -> Collection[NodeAddress]:
        return self.nodes

    def forgotten(self) -> Collection[PoolId]:
        return self.gone

    def watch(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def close(self) -> None:
        """Do nothing."""

    def set(self, *addresses: str) -> None:
        """Have these addresses and no others."""
        self.nodes = frozenset(NodeAddress(each) for each in addresses)
        self.changed()


@dataclass
class FakeNode:
    """One node: its pool stays, its server comes and goes."""

    name: str
    pool: MemoryPool
    files: CertificateFiles
    calls: RememberedCalls = field(default_factory=RememberedCalls)
    server: Server | None = None
    before: Callable[[grpc.ServicerContext], None] = lambda context: None

    @property
    def address(self) -> str:
        assert self.server is not None
        return self.server.endpoint

    @property
    def segments(self) -> dict[str, str]:
        return {KEY: self.name}

    def come(self, address: str = "127.0.0.1:0", name: str = "") -> str:
        """Serve, under another name if one is given; give the address."""
        self.name = name or self.name
        locks = KeyedLocks(WORKERS // 2)
        pool = LockedPool(IdempotentPool(AdmittingPool(self.pool, Limits())), locks)
        provisioner = PoolProvisioner(pool, ScriptedChecker(), locks)
        services = controllers(provisioner, DriverIdentity("1.2.3", self.name), lambda: True)
        only = SwitchboardOnly(CONTROLLER, self.pool.id)

        def guard(context: grpc.ServicerContext) -> None:
            only(context)
            self.before(context)

        port = TlsPort(address, self.files.read())
        self.server = Server(port, services, calls=[self.calls], guard=guard, workers=16)
        self.server.start()
        return self.server.endpoint

    def leave(self) -> None:
        """Stop serving at once."""
        if self.server is not None:
            self.server.stop(0.0)
            self.server = None

    def asked(self) -> list[str]:
        """Give the methods called so far, but for being asked who it is."""
        return [method for method, *_ in self.calls.lines if method != "GetPluginInfo"]


@dataclass
class RememberedRoutes:
    """A RouteLog that keeps everything."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def routed(self, node: str, status: str) -> None:
        self.lines.append((node, status))


@dataclass(slots=True)
class FakeCluster(CsiCaller):
    """A caller of the switchboard, and everything behind it."""

    nodes: list[FakeNode]
    roster: MemoryRoster
    directory: Directory
    routes: RememberedRoutes
    calls: RememberedCalls
    authority: Authority
    folder: Path

    def of(self, handle: str) -> FakeNode:
        """Give the node whose pool a handle names."""
        return next(node for node in self.nodes if node.pool.id in handle)


@contextmanager
def fake_cluster(
    folder: Path, authority: Authority, size: int = 2, workers: int = 16, origins: ClaimOrigins | None = None
) -> Iterator[FakeCluster]:
    """Serve `size` nodes and a switchboard below `folder`."""
    files, roster, routes, calls = (
        authority.issue(NODES),
        MemoryRoster(),
        RememberedRoutes(),
        RememberedCalls(),
    )
    with ExitStack() as parts:
        nodes = [_node(folder, f"node-{number}", files) for number in range(1, size + 1)]
        for node in nodes:
            parts.callback(node.leave)
        roster.nodes = frozenset(NodeAddress(node.come()) for node in nodes)
        certificates = authority.issue(CONTROLLER).read()
        directory = Directory(roster, Dialling(certificates, NODES, DRIVER, workers // 2), workers // 2)
        parts.callback(directory.close)
        roster.watch(directory.refresh)
        services = switchboard(directory, routes, DriverIdentity("1.2.3", "controller"), lambda: True, origins)
        server = Server(UnixSocket(folder / "csi.sock"), services, calls=[calls], origin="test-", workers=workers)
        server.start()
        parts.callback(server.stop, 5.0)
        channel = parts.enter_context(grpc.insecure_channel(server.endpoint))
        yield FakeCluster(channel, nodes, roster, directory, routes, calls, authority, folder)


def _node(folder: Path, name: str, files: CertificateFiles) -> FakeNode:
    place = folder / name
    place.mkdir()
    return FakeNode(name, MemoryPool(place), files)
