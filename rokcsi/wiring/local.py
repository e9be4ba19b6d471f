"""This machine's set-up, composed below one home folder: catalogue, cluster, driver.

The SDK and `rokctl` share it. Opening it starts nothing: the driver is started by whoever
first needs it, and goes on afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rokcsi.catalog.opening import open_catalog
from rokcsi.config.reading import read_settings
from rokcsi.config.settings import LocalSettings
from rokcsi.local.cluster import LocalCluster
from rokcsi.local.csi_client import CsiClient
from rokcsi.local.driver import ensure_running, serve_command, socket_of
from rokcsi.model.errors import InvalidRequest, RecordNotFound
from rokcsi.model.pool import Capacity
from rokcsi.pipeline.git_commits import GitCommits
from rokcsi.pipeline.reconcile import reconcile
from rokcsi.pipeline.world import World
from rokcsi.system.command import HostRunner

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalPool:
    """The pool of this machine's driver; how much room it has is known only while the driver serves it."""

    name: str
    socket: Path
    serving: bool
    capacity: Capacity | None


@dataclass(frozen=True, slots=True)
class LocalWorld:
    """The world of one home folder; `prepare` makes it ready for work, once."""

    settings: LocalSettings
    world: World
    cluster: LocalCluster
    prepare: Callable[[], None]
    close: Callable[[], None]

    def pool(self) -> LocalPool:
        """Look at the pool; does not start the driver."""
        return _pool(self.settings)


def local_settings(home: Path | None = None, config: Path | None = None) -> LocalSettings:
    """Read the settings of the local set-up; raise InvalidRequest."""
    return read_settings({"home": None if home is None else str(home)}, config).local


def open_local(home: Path | None = None, config: Path | None = None, *, begins: bool = True) -> LocalWorld:
    """Open the set-up of one home folder; raise InvalidRequest where it cannot be one.

    Where there is none it is begun, unless `begins` is False: then RecordNotFound is raised.
    """
    settings = local_settings(home, config)
    if not begins and not settings.home.exists():
        raise RecordNotFound(
            f"nothing has been made in {settings.home} yet; begin with `rokctl create notebook`, or name another --home"
        )
    return opened(settings)


def opened(settings: LocalSettings) -> LocalWorld:
    """Put the parts of a home folder together."""
    _make(settings.home)
    parts = ExitStack()
    cluster = LocalCluster(settings.cluster_folder, CsiClient(socket_of(settings.home)), hidden=[settings.home])
    parts.callback(cluster.close)
    catalog = open_catalog(settings.catalog)
    parts.callback(catalog.close)
    world = World(cluster, catalog, author=settings.author, commit_of=GitCommits(HostRunner()), home=settings.home)

    return LocalWorld(settings, world, cluster, _Preparation(settings, world), parts.close)


class _Preparation:
    """Starts the driver where it does not run, and ends what a crash left half done; the second call does nothing."""

    def __init__(self, settings: LocalSettings, world: World) -> None:
        self._settings, self._world, self._done = settings, world, False

    def __call__(self) -> None:
        if self._done:
            return
        ensure_running(self._settings.home, serve_command(self._settings.home, self._settings.pool))
        for ended in reconcile(self._world):
            _log.warning("%s %s: %s", ended.kind, ended.name, ended.problem or ended.outcome)
        self._done = True


def _make(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequest(
            f"the folder {home} cannot be made ({error.strerror}); run as root, or choose another with --home"
        ) from error


def _pool(settings: LocalSettings) -> LocalPool:
    client = CsiClient(settings.socket)
    try:
        serving = client.is_ready()
        return LocalPool(settings.pool, settings.socket, serving, client.capacity() if serving else None)
    finally:
        client.close()
