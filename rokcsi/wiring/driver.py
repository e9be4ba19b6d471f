"""A whole driver put together and ready to be served: the pool, what is asked of it, what can be seen of it.

Both roles with storage begin here: `serve_all` puts it on one unix socket, `serve_node` on
a port for the switchboard as well.

    thaw what a dead driver has left frozen → pool → reconcile → serve
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from rokcsi import __version__
from rokcsi.config.settings import ServeSettings
from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.server import Server
from rokcsi.csi.services import whole_driver
from rokcsi.csi.unix_socket import UnixSocket
from rokcsi.model.doorkeeper import Doors
from rokcsi.model.errors import NotSupported
from rokcsi.model.pool import Pool
from rokcsi.mounting.linux import LinuxMounter
from rokcsi.observe.calls import CallRecorder
from rokcsi.observe.metrics import Metrics
from rokcsi.observe.pool_metrics import PoolMetrics
from rokcsi.pools.specification import PoolSpecification
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
from rokcsi.volumes.node import PoolNodeVolumes
from rokcsi.volumes.provisioning import PoolProvisioner
from rokcsi.wiring.daily_trim import DailyTrim
from rokcsi.wiring.freezes import FreezeReportingPool
from rokcsi.wiring.needs import unmet
from rokcsi.wiring.opening import open_pool
from rokcsi.wiring.readiness import Readiness, open_pages


@dataclass(frozen=True, slots=True)
class Driver:
    """The parts that servers and the start-up line want; `pages` is where metrics are served, None where they are not."""

    settings: ServeSettings
    identity: DriverIdentity
    pool: Pool
    provisioner: PoolProvisioner
    node: PoolNodeVolumes
    calls: CallRecorder
    readiness: Readiness
    pages: str | None

    def server(self) -> Server:
        """Give the server of all services on the driver's unix socket."""
        services = whole_driver(self.provisioner, self.node, self.identity, self.readiness.ready)
        listener = UnixSocket.of(self.settings.endpoint)
        return Server(listener, services, calls=[self.calls], workers=self.settings.max_workers)

    def trimming(self) -> AbstractContextManager[object]:
        """Trim what is in use once a day, where the settings say so, for the length of the block."""
        return DailyTrim(self.node.trim_staged) if self.settings.trim else nullcontext()

    def starting_line(self, served_on: str) -> str:
        """Give the one line that says what is served where."""
        who = f"rokcsi {__version__} serves {self.identity.name} on {served_on}"
        line = f"{who} with {self.pool.name} as {self.identity.node_id}"
        return f"{line}; metrics on {self.pages}" if self.pages else line


def _no_doors(metrics: Metrics) -> None:
    """Ask nobody."""


def open_driver(
    settings: ServeSettings, parts: ExitStack, doors: Callable[[Metrics], Doors | None] = _no_doors
) -> Driver:
    """Open the pool and put everything around it; `parts` closes it all. Raises what `open_pool` does, NotSupported.

    With `doors`, which are told where to count, somebody is asked before a pod's volumes appear here, and before they go.
    """
    _check_needs(settings.pool)
    UnixSocket.of(settings.endpoint).check()  # before a pool is made that nobody could be served from
    readiness, metrics = Readiness(), Metrics(__version__)
    pages = open_pages(settings.metrics, metrics.registry, readiness, parts)
    table = MountTable()
    parts.callback(table.close)
    # At most half of the workers may wait for each other: the rest keeps Unpublish and Probe alive.
    locks = KeyedLocks(settings.max_workers // 2)
    pool = open_pool(settings, table, locks, metrics)
    parts.callback(pool.close)
    records = Path(settings.records) / pool.id
    parts.callback(_forget_records, records)
    PoolMetrics(pool, metrics.registry)
    roots = TargetRoots([Path(root) for root in settings.target_roots])
    mounter, reporting = LinuxMounter(roots, table), FreezeReportingPool(pool, metrics)
    node = PoolNodeVolumes(reporting, mounter, roots, records, locks, trim=settings.trim, doors=doors(metrics))
    return Driver(
        settings,
        DriverIdentity(__version__, settings.node_id, settings.driver_name, settings.topology_key),
        pool,
        PoolProvisioner(reporting, mounter, locks, node),
        node,
        CallRecorder(metrics),
        readiness,
        pages,
    )


def _check_needs(pool: str) -> None:
    need = unmet(PoolSpecification.parse(pool))
    if need is not None:
        raise NotSupported(f"the driver needs {need.what}: {need.seen}; {need.remedy}")


def _forget_records(folder: Path) -> None:
    """Leave no empty folder behind where nothing is staged any more."""
    with suppress(OSError):
        folder.rmdir()
