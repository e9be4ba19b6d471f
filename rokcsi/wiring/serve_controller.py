"""The switchboard's process: CSI's controllers for the sidecars on a unix socket, each call passed on to its node.

Started by `becoming` as `python -m rokcsi.wiring.serve_controller`. It has no storage and
needs no privilege; the Kubernetes client comes in only where nodes are found through it.

    roster → directory, every node asked → serve → signal → drain
"""

from __future__ import annotations

import secrets
import sys
from contextlib import ExitStack
from pathlib import Path

from rokcsi import __version__
from rokcsi.config.roles import SwitchboardSettings
from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.server import WORKERS, Server
from rokcsi.csi.timeline_line import TimelineLine
from rokcsi.csi.tls import Certificates
from rokcsi.csi.tls_channel import tls_channel
from rokcsi.csi.unix_socket import UnixSocket
from rokcsi.observe.calls import CallRecorder
from rokcsi.observe.metrics import Metrics
from rokcsi.observe.switchboard_metrics import SwitchboardMetrics
from rokcsi.switchboard.claim_origins import ClaimOrigins, NoTimeline
from rokcsi.switchboard.services import switchboard
from rokcsi.wiring.finding_nodes import RosterReadiness, open_directory
from rokcsi.wiring.lean import run
from rokcsi.wiring.readiness import open_pages
from rokcsi.wiring.rosters import kubernetes_client
from rokcsi.wiring.serving import Signals

_MOST_AT_A_NODE = WORKERS // 2  # the other half of its workers is there for the timeline, and to say who it is


def main() -> int:
    """Serve until a signal comes; give the exit status."""
    return run("controller", SwitchboardSettings.from_json, _serve)


def _serve(settings: SwitchboardSettings, parts: ExitStack) -> None:
    signals = Signals()
    # At most half of the workers may wait for one node, or for who is where: the rest is there for the others.
    half = settings.max_workers // 2
    directory, roster = open_directory(settings, parts, at_a_node=min(half, _MOST_AT_A_NODE), in_doubt=half)
    metrics, readiness = Metrics(__version__), RosterReadiness(roster)
    nodes = SwitchboardMetrics(metrics.registry)
    nodes.count_nodes(known=lambda: len(directory.known()), away=lambda: len(directory.away()))
    pages = open_pages(settings.metrics, metrics.registry, readiness, parts)
    who = DriverIdentity(__version__, "controller", settings.driver_name)
    server = Server(
        UnixSocket.of(settings.endpoint),
        switchboard(directory, nodes, who, readiness.ready, _origins(settings, parts)),
        calls=[CallRecorder(metrics)],
        origin=f"{secrets.token_hex(2)}-",
        workers=settings.max_workers,
    )
    server.start()
    readiness.reason = None
    line = (
        f"rokcsi {__version__} passes {settings.driver_name} on from {server.endpoint} to the nodes of {settings.nodes}"
    )
    print(f"{line}; metrics on {pages}" if pages else line, flush=True)  # noqa: T201 - the one line promised
    signals.wait()
    readiness.reason = "draining"
    signals.drain(server)


def _origins(settings: SwitchboardSettings, parts: ExitStack) -> ClaimOrigins | None:
    """Give who heeds claims' origins; None where no claims can be read. Raises NotSupported, InvalidRequest."""
    timeline = settings.checkpoints.timeline
    if timeline is None and not settings.nodes.startswith("kubernetes:"):
        return None
    with kubernetes_client():
        from rokcsi.kube.claim_origins import KubernetesClaimOrigins  # noqa: PLC0415 - not everybody has the client
        from rokcsi.kube.connecting import api_client  # noqa: PLC0415 - as above
    teller = NoTimeline() if timeline is None else _line(timeline, settings, parts)
    return ClaimOrigins(KubernetesClaimOrigins(api_client()), teller)


def _line(timeline: str, settings: SwitchboardSettings, parts: ExitStack) -> TimelineLine:
    tls = settings.tls
    certificates = Certificates.read(Path(tls.certificate), Path(tls.key), Path(tls.authorities))
    line = TimelineLine(tls_channel(timeline, certificates, settings.controller_identity))
    parts.callback(line.close)
    return line


if __name__ == "__main__":
    sys.exit(main())
