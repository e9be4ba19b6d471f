"""What the switchboard answers: who it is by itself, everything else by way of the nodes."""

from __future__ import annotations

from collections.abc import Callable

from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.identity import IdentityService
from rokcsi.csi.services import Services
from rokcsi.switchboard.claim_origins import ClaimOrigins
from rokcsi.switchboard.controller import SwitchboardController
from rokcsi.switchboard.directory import Directory
from rokcsi.switchboard.group_controller import SwitchboardGroups
from rokcsi.switchboard.relay import Relay, RouteLog


def switchboard(
    directory: Directory,
    routes: RouteLog,
    identity: DriverIdentity,
    ready: Callable[[], bool],
    origins: ClaimOrigins | None = None,
) -> Services:
    """Give the switchboard's services; `routes` is told of every call that is passed on, `ready` answers Probe.

    With `origins`, claims' `rok/origin` are heard.
    """
    relay = Relay(routes)
    return Services(
        IdentityService(identity, ready, {}),
        SwitchboardController(directory, relay, origins),
        SwitchboardGroups(directory, relay),
    )
