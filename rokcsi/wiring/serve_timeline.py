"""The timeline's process, one in a cluster: it watches claims and pods, and sends clones to where their data is.

Started by `becoming` as `python -m rokcsi.wiring.serve_timeline`. It serves nothing but its
metrics, and keeps nothing: what it has to know, the cluster and the nodes tell it anew. With
`listen` it takes checkpoints at the mount, too, and keeps their catalogues.

    roster → directory → desk → watches → signal → stop
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Protocol

from rokcsi import __version__
from rokcsi.config.roles import TimelineSettings
from rokcsi.csi.server import WORKERS
from rokcsi.model.roster import Roster
from rokcsi.observe.calls import CallRecorder
from rokcsi.observe.metrics import Metrics
from rokcsi.observe.timeline_metrics import TimelineMetrics
from rokcsi.switchboard.directory import Directory
from rokcsi.switchboard.pool_places import PoolPlaces
from rokcsi.timeline.desk import Desk
from rokcsi.wiring.finding_nodes import RosterReadiness, open_directory
from rokcsi.wiring.lean import run
from rokcsi.wiring.readiness import open_pages
from rokcsi.wiring.rosters import kubernetes_client
from rokcsi.wiring.serving import Signals

_AT_A_NODE = WORKERS // 4  # half of a node's workers are for the switchboard


def main() -> int:
    """Serve until a signal comes; give the exit status."""
    return run("timeline", TimelineSettings.from_json, _serve)


class Followed(Protocol):
    """A watch: why it knows nothing yet, or None."""

    @property
    def why_not(self) -> str | None:
        """Give a text for /readyz."""


class TimelineReadiness(RosterReadiness):
    """Ready once the nodes, the claims and the pods are known."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self.followed: tuple[Followed, ...] = ()

    def why_not(self) -> str | None:
        """Give why clones cannot be placed."""
        return super().why_not() or next((each.why_not for each in self.followed if each.why_not), None)


def _serve(settings: TimelineSettings, parts: ExitStack) -> None:
    signals = Signals()
    # Whoever is refused misses a checkpoint: all may wait, as they do when the timeline has just begun.
    directory, roster = open_directory(settings, parts, at_a_node=_AT_A_NODE, in_doubt=WORKERS)
    metrics, readiness = Metrics(__version__), TimelineReadiness(roster)
    log = TimelineMetrics(metrics.registry)
    pages = open_pages(settings.metrics, metrics.registry, readiness, parts)
    readiness.followed = _begin(settings, directory, CallRecorder(metrics), log, parts)
    readiness.reason = None
    line = f"rokcsi {__version__} sends clones of {settings.driver_name} to the nodes of {settings.nodes}"
    print(f"{line}; metrics on {pages}" if pages else line, flush=True)  # noqa: T201 - the one line promised
    signals.wait()
    readiness.reason = "draining"


def _begin(
    settings: TimelineSettings, directory: Directory, calls: CallRecorder, log: TimelineMetrics, parts: ExitStack
) -> tuple[Followed, ...]:
    """Begin to work and to watch, until `parts` ends; raise NotSupported, InvalidRequest."""
    with kubernetes_client():
        from rokcsi.kube.claim_watch import claim_watches  # noqa: PLC0415 - as above
        from rokcsi.kube.claims import KubernetesClaims  # noqa: PLC0415 - as above
        from rokcsi.kube.connecting import api_client  # noqa: PLC0415 - as above
        from rokcsi.kube.owner_events import OwnerEvents  # noqa: PLC0415 - not everybody has the client
    api = api_client()
    notices = OwnerEvents(api, f"{settings.driver_name}-timeline")
    origins = None
    if settings.listen is not None:
        from rokcsi.wiring.checkpoints import serve_checkpoints  # noqa: PLC0415 - brings the catalogue along

        origins = serve_checkpoints(settings, directory, api, calls, log, parts).origins
    claims, places = KubernetesClaims(api, settings.driver_name, origins), PoolPlaces(directory)
    if settings.admission is not None:
        with kubernetes_client():
            from rokcsi.wiring.admission import serve_admission  # noqa: PLC0415 - brings the client along

        serve_admission(settings.admission, claims, places, log, parts)
    desk = Desk(claims, places, notices, log)
    log.count_waiting(desk.waiting)
    desk.start()
    parts.callback(desk.stop)
    watches = tuple(claim_watches(api, desk))
    for each in watches:
        each.start()
        parts.callback(each.stop)
    return watches


if __name__ == "__main__":
    sys.exit(main())
