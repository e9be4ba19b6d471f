"""What `rokcsi doctor` finds: needs that are not met, and what a crash has left in the pool and the local cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rokcsi.config.settings import LocalSettings, ServeSettings
from rokcsi.local.cluster import LocalCluster
from rokcsi.local.csi_client import CsiClient
from rokcsi.local.driver import ensure_running, serve_command
from rokcsi.model.errors import RecordNotFound, RokcsiError, Unavailable
from rokcsi.model.pool import Leftover
from rokcsi.pools.specification import PoolSpecification
from rokcsi.wiring.needs import Need, needs
from rokcsi.wiring.pool_care import check_pool, clear_pool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`notes` say what could not be looked at, and why."""

    needs: Sequence[Need]
    pool: Sequence[Leftover] = ()
    cluster: Sequence[Leftover] = ()
    notes: Sequence[str] = field(default=())

    @property
    def leftovers(self) -> Sequence[Leftover]:
        """Give all that a crash has left."""
        return [*self.pool, *self.cluster]

    @property
    def well(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.leftovers and all(need.met for need in self.needs if need.essential)


def diagnosis(serve: ServeSettings, local: LocalSettings) -> Diagnosis:
    """Look at the machine, the pool and the local cluster; changes nothing."""
    found = Diagnosis(needs(PoolSpecification.parse(serve.pool)))
    if any(need.essential and not need.met for need in found.needs):
        return replace(found, notes=("Leftovers are looked for once the needs are met.",))
    pool, of_pool = _looked(f"The pool {serve.pool}", lambda: check_pool(serve))
    cluster, of_cluster = _looked(f"The local cluster in {local.home}", lambda: _of_cluster(local))
    return replace(found, pool=pool, cluster=cluster, notes=(*of_pool, *of_cluster))


def clear(found: Diagnosis, serve: ServeSettings, local: LocalSettings) -> Sequence[Leftover]:
    """Remove what was found and can be cleared, each after making sure once more that nobody owns it; give what is still there.

    The cluster's part goes through the driver, which is started where it does not run.
    """
    if found.cluster:
        ensure_running(local.home, serve_command(local.home, local.pool))
        with _cluster(local) as cluster:
            for leftover in found.cluster:
                cluster.clear(leftover)
    if any(leftover.clearable for leftover in found.pool):
        clear_pool(serve, [leftover for leftover in found.pool if leftover.clearable])
    return diagnosis(serve, local).leftovers


@contextmanager
def _cluster(local: LocalSettings) -> Iterator[LocalCluster]:
    cluster = LocalCluster(local.cluster_folder, CsiClient(local.socket), hidden=[local.home])
    try:
        yield cluster
    finally:
        cluster.close()


def _of_cluster(local: LocalSettings) -> Sequence[Leftover]:
    if not local.cluster_folder.is_dir():
        raise RecordNotFound("there is none")
    with _cluster(local) as cluster:
        return cluster.leftovers()


def _looked(what: str, look: Callable[[], Sequence[Leftover]]) -> tuple[Sequence[Leftover], Sequence[str]]:
    try:
        return look(), ()
    except RecordNotFound:
        return (), (f"{what} does not exist yet.",)
    except Unavailable as error:
        return (), (f"{what} was not looked at: {error}.",)
    except RokcsiError as error:
        return (), (f"{what} cannot be looked at: {error}.",)
