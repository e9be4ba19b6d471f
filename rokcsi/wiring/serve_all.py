"""The driver's process: identity, controller, group controller and node of one machine on one unix socket.

Started by `becoming` as `python -m rokcsi.wiring.serve_all`, its settings as JSON in the
environment. It must stay small: neither pydantic, Typer, rich, SQLAlchemy nor the
Kubernetes client may come in here (a test looks).

    thaw what a dead driver has left frozen → pool → reconcile → serve → signal → drain → close the pool
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path

from rokcsi import __version__
from rokcsi.config.settings import EFFECTIVE, ServeSettings
from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.server import Server
from rokcsi.csi.unix_socket import UnixSocket
from rokcsi.model.errors import NotSupported, RokcsiError
from rokcsi.model.pool import Pool
from rokcsi.mounting.linux import LinuxMounter
from rokcsi.observe.calls import CallRecorder
from rokcsi.observe.logs import set_up_logs
from rokcsi.observe.metrics import Metrics
from rokcsi.observe.pages import MetricsPages
from rokcsi.observe.pool_metrics import PoolMetrics
from rokcsi.pools.specification import PoolSpecification
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
from rokcsi.volumes.node import PoolNodeVolumes
from rokcsi.volumes.provisioning import PoolProvisioner
from rokcsi.wiring.daily_trim import DailyTrim
from rokcsi.wiring.exits import FAILED, exit_status
from rokcsi.wiring.freezes import FreezeReportingPool
from rokcsi.wiring.needs import unmet
from rokcsi.wiring.opening import open_pool
from rokcsi.wiring.serving import Signals

_STACK_BYTES = 1 << 20
_log = logging.getLogger(__name__)


class Readiness:
    """Why the driver does not take calls just now; None when it does."""

    def __init__(self) -> None:
        self.reason: str | None = "starting"

    def ready(self) -> bool:
        """Answer Probe."""
        return self.reason is None

    def why_not(self) -> str | None:
        """Answer /readyz."""
        return self.reason


def main() -> int:
    """Serve until a signal comes; give the exit status. What goes wrong is one line on standard error."""
    threading.stack_size(_STACK_BYTES)
    try:
        settings = ServeSettings.from_json(os.environ[EFFECTIVE])
    except (KeyError, TypeError, ValueError):
        print("error: this is started by `rokcsi serve all`, not by hand", file=sys.stderr)  # noqa: T201 - no logs yet
        return FAILED
    set_up_logs(settings.log_level, settings.log_format)
    try:
        with ExitStack() as parts:
            _serve(settings, parts)
    except RokcsiError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201 - for whoever started it
        return exit_status(error)
    return 0


def _serve(settings: ServeSettings, parts: ExitStack) -> None:
    signals = Signals()
    _check_needs(settings.pool)
    UnixSocket.of(settings.endpoint).check()  # before a pool is made that nobody could be served from
    readiness, metrics = Readiness(), Metrics(__version__)
    where = _metrics_pages(settings, metrics, readiness, parts)
    table = MountTable()
    parts.callback(table.close)
    # At most half of the workers may wait for each other: the rest keeps Unpublish and Probe alive.
    locks = KeyedLocks(settings.max_workers // 2)
    pool = open_pool(settings, table, locks, metrics)
    parts.callback(pool.close)
    parts.callback(_forget_records, Path(settings.records) / pool.id)
    PoolMetrics(pool, metrics.registry)
    roots = TargetRoots([Path(root) for root in settings.target_roots])
    mounter, reporting = LinuxMounter(roots, table), FreezeReportingPool(pool, metrics)
    records = Path(settings.records) / pool.id
    node = PoolNodeVolumes(reporting, mounter, roots, records, locks, trim=settings.trim)
    provisioner = PoolProvisioner(reporting, mounter, locks, node)
    server = _server(settings, provisioner, node, CallRecorder(metrics), readiness)
    server.start()
    readiness.reason = None
    _say_it_serves(settings, server, pool, where)
    with DailyTrim(node.trim_staged) if settings.trim else nullcontext():
        signals.wait()
    readiness.reason = "draining"
    signals.drain(server)


def _check_needs(pool: str) -> None:
    need = unmet(PoolSpecification.parse(pool))
    if need is not None:
        raise NotSupported(f"the driver needs {need.what}: {need.seen}; {need.remedy}")


def _metrics_pages(
    settings: ServeSettings, metrics: Metrics, readiness: Readiness, parts: ExitStack
) -> MetricsPages | None:
    if settings.metrics is None:
        return None
    pages = MetricsPages(settings.metrics, metrics.registry, readiness.why_not)
    pages.start()
    parts.callback(pages.stop)
    return pages


def _server(
    settings: ServeSettings,
    provisioner: PoolProvisioner,
    node: PoolNodeVolumes,
    calls: CallRecorder,
    readiness: Readiness,
) -> Server:
    return Server(
        settings.endpoint,
        provisioner,
        node,
        DriverIdentity(__version__, settings.node_id, settings.driver_name, settings.topology_key),
        calls=[calls],
        ready=readiness.ready,
        workers=settings.max_workers,
    )


def _forget_records(folder: Path) -> None:
    """Leave no empty folder behind where nothing is staged any more."""
    with suppress(OSError):
        folder.rmdir()


def _say_it_serves(settings: ServeSettings, server: Server, pool: Pool, pages: MetricsPages | None) -> None:
    line = f"rokcsi {__version__} serves {settings.driver_name} on {server.endpoint} with {pool.name} as {settings.node_id}"
    print(f"{line}; metrics on {pages.address}" if pages else line, flush=True)  # noqa: T201 - the one line promised


if __name__ == "__main__":
    sys.exit(main())
