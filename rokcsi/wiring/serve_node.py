"""The process on every node of a cluster: the driver of its pool, for kubelet on a unix socket, for the switchboard over TLS.

Started by `becoming` as `python -m rokcsi.wiring.serve_node`. It must stay small (see
`lean`), and knows nothing of Kubernetes but how kubelet looks for plugins.

    open → serve both → register with kubelet → signal → leave kubelet → drain both → close the pool

Each side has its own workers, so that neither can keep the other waiting.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rokcsi.config.roles import NodeSettings
from rokcsi.csi.peers import SwitchboardOnly
from rokcsi.csi.registration import KubeletRegistry
from rokcsi.csi.server import Server
from rokcsi.csi.services import controllers
from rokcsi.csi.timeline_line import TimelineLine
from rokcsi.csi.tls import Certificates
from rokcsi.csi.tls_channel import tls_channel
from rokcsi.csi.tls_port import TlsPort
from rokcsi.csi.unix_socket import UnixSocket
from rokcsi.model.doorkeeper import Doors
from rokcsi.observe.metrics import Metrics
from rokcsi.volumes.doors import AskingDoors, DoorRules, FailurePolicy
from rokcsi.wiring.driver import Driver, open_driver
from rokcsi.wiring.lean import run
from rokcsi.wiring.serving import Signals, Together


def main() -> int:
    """Serve until a signal comes; give the exit status."""
    return run("node", NodeSettings.from_json, _serve)


def _serve(settings: NodeSettings, parts: ExitStack) -> None:
    signals = Signals()
    tls = settings.tls
    certificates = Certificates.read(Path(tls.certificate), Path(tls.key), Path(tls.authorities))
    driver = open_driver(settings.driver, parts, partial(_doors, settings, certificates, parts))
    for_kubelet, for_switchboard = driver.server(), _for_switchboard(settings, certificates, driver)
    servers = Together(for_kubelet, for_switchboard)
    servers.start()
    parts.callback(servers.stop, 0.0)
    driver.readiness.reason = None
    with _registered(settings):
        places = f"{for_kubelet.endpoint} and {for_switchboard.endpoint}"
        print(driver.starting_line(places), flush=True)  # noqa: T201 - the one line promised
        with driver.trimming():
            signals.wait()
    driver.readiness.reason = "draining"
    signals.drain(servers)


def _doors(settings: NodeSettings, certificates: Certificates, parts: ExitStack, metrics: Metrics) -> Doors | None:
    """Give the doors at which the timeline is asked; None where there is no timeline."""
    wanted = settings.checkpoints
    if wanted.timeline is None:
        return None
    line = TimelineLine(tls_channel(wanted.timeline, certificates, settings.controller_identity))
    parts.callback(line.close)
    policy = FailurePolicy(wanted.checkpoint_failure_policy)
    # The other half of the workers keeps Unpublish and Probe alive.
    rules = DoorRules(wanted.checkpoint_deadline, policy, settings.driver.max_workers // 2)
    return AskingDoors(line, rules, waits=metrics)


def _for_switchboard(settings: NodeSettings, certificates: Certificates, driver: Driver) -> Server:
    return Server(
        TlsPort(settings.listen, certificates),
        controllers(driver.provisioner, driver.identity, driver.readiness.ready),
        calls=[driver.calls],
        guard=SwitchboardOnly(settings.controller_identity, driver.pool.id),
        workers=settings.driver.max_workers,
    )


def _registered(settings: NodeSettings) -> ExitStack:
    """Be registered with kubelet for the length of the block, where the settings say so."""
    parts = ExitStack()
    if settings.plugins_registry is not None:
        socket = UnixSocket.of(settings.driver.endpoint).path
        registry = KubeletRegistry(Path(settings.plugins_registry), settings.driver.driver_name, socket)
        parts.callback(registry.stop)
        registry.start()
    return parts


if __name__ == "__main__":
    sys.exit(main())
