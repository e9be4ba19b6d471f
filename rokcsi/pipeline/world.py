"""What every verb of the pipeline is given: the cluster, the catalogue, a clock, and who asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rokcsi.model.catalog import Catalog
from rokcsi.model.cluster import Cluster
from rokcsi.model.history import Commit
from rokcsi.model.origin import DEFAULT_NAMESPACE
from rokcsi.pipeline.owner import Owner, ProcessOwner


def utc_now() -> dt.datetime:
    """Give the present time, aware."""
    return dt.datetime.now(dt.UTC)


def no_commit(_workspace: Path, _working_directory: Path) -> Commit | None:
    """Know of no git repository."""
    return None


@dataclass(frozen=True, slots=True)
class World:
    """The pipeline's surroundings, composed in `wiring/`.

    `commit_of` reads what a workspace's git repository has checked out (`GitCommits(runner)`),
    given the workspace's folder and the working directory within it; `owner` names this process
    in tasks; `namespace` and `host` go into the addresses of versions; `home` is the folder that
    the volumes lie in, where that is on this machine: no volume is filled from it.
    """

    cluster: Cluster
    catalog: Catalog
    author: str = ""
    commit_of: Callable[[Path, Path], Commit | None] = no_commit
    owner: Owner = field(default_factory=ProcessOwner)
    now: Callable[[], dt.datetime] = utc_now
    namespace: str = DEFAULT_NAMESPACE
    host: str = ""
    home: Path | None = None
