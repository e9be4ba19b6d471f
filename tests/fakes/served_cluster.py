"""A cluster of real processes on this machine: `rokcsi serve node` twice on loop files, and one `rokcsi serve controller`."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from tests.fakes.certificates import Authority, CertificateFiles
from tests.fakes.csi_caller import CsiCaller

READY_SECONDS = 60
END_SECONDS = 30
CONTROLLER, NODES = "rokcsi-controller", "rokcsi-node"


@dataclass
class ServedRole:
    """One process: how it is started, and where it serves."""

    arguments: Sequence[str]
    socket: Path
    log: Path
    process: subprocess.Popen[str] | None = None
    line: str = ""

    def start(self) -> str:
        """Start it; give its one line."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rokcsi.cli.entry", "serve", *self.arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "ROKCSI_CONFIG": ""},
            )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], READY_SECONDS)
        self.line = self.process.stdout.readline() if ready else ""
        assert self.line, self.log.read_text()
        return self.line

    def end(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End it; give its exit status."""
        if self.process is None:
            return None
        self.process.send_signal(how)
        try:
            self.process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate(timeout=END_SECONDS)
        status, self.process = self.process.returncode, None
        return status

    @property
    def port(self) -> str:
        """HOST:PORT where the switchboard reaches a node."""
        found = re.search(r" and (127\.0\.0\.1:\d+) with ", self.line)
        assert found, self.line
        return found.group(1)

    @property
    def metrics(self) -> str:
        """HOST:PORT of its metrics."""
        return self.line.rpartition("metrics on ")[2].strip()


@dataclass
class ServedCluster:
    """The processes, their files, and callers for them."""

    folder: Path
    authority: Authority
    nodes: list[ServedRole] = field(default_factory=list)
    controller: ServedRole | None = None
    parts: ExitStack = field(default_factory=ExitStack)

    @property
    def roster(self) -> Path:
        return self.folder / "nodes"

    def list_nodes(self) -> None:
        """Write down where the nodes are now."""
        self.roster.write_text("".join(f"node {node.port}\n" for node in self.nodes if node.process))

    def caller(self, role: ServedRole) -> CsiCaller:
        """Give a caller on a role's unix socket."""
        return CsiCaller(self.parts.enter_context(grpc.insecure_channel(f"unix://{role.socket}")))


@contextmanager
def served_cluster(folder: Path) -> Iterator[ServedCluster]:
    """Serve two nodes and their switchboard below `folder`; nothing of them runs afterwards."""
    cluster = ServedCluster(folder, Authority(folder))
    with cluster.parts:
        for number in (1, 2):
            node = _node(cluster, f"node-{number}")
            cluster.parts.callback(node.end)
            node.start()
            cluster.nodes.append(node)
        cluster.list_nodes()
        cluster.controller = _controller(cluster)
        cluster.parts.callback(cluster.controller.end)
        cluster.controller.start()
        yield cluster


def _node(cluster: ServedCluster, name: str) -> ServedRole:
    place = cluster.folder / name
    (place / "plugins_registry").mkdir(parents=True)
    arguments = [
        *("node", "--endpoint", f"unix://{place}/csi.sock", "--listen", "127.0.0.1:0"),
        *("--pool", f"loopfile:{place}/pool", "--records", f"{place}/records", "--node-id", name),
        *("--plugins-registry", f"{place}/plugins_registry", "--metrics", "127.0.0.1:0"),
        *tls_arguments(cluster.authority.issue(NODES)),
    ]
    return ServedRole(arguments, place / "csi.sock", cluster.folder / f"{name}.log")


def _controller(cluster: ServedCluster) -> ServedRole:
    socket = cluster.folder / "controller" / "csi.sock"
    arguments = [
        *("controller", "--endpoint", f"unix://{socket}", "--nodes", f"file:{cluster.roster}"),
        *("--metrics", "127.0.0.1:0"),
        *tls_arguments(cluster.authority.issue(CONTROLLER)),
    ]
    return ServedRole(arguments, socket, cluster.folder / "controller.log")


def tls_arguments(files: CertificateFiles) -> list[str]:
    """Give what a role is told of its certificate."""
    return [
        *("--tls-certificate", str(files.certificate)),
        *("--tls-key", str(files.key), "--tls-authorities", str(files.authorities)),
    ]
