"""How a process of the cluster finds the nodes and speaks to them: roster, certificates, directory."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

from rokcsi.config.roles import TlsFiles
from rokcsi.csi.tls import Certificates
from rokcsi.model.errors import RosterAway
from rokcsi.model.roster import Roster
from rokcsi.switchboard.dialling import Dialling
from rokcsi.switchboard.directory import Directory
from rokcsi.wiring.readiness import Readiness
from rokcsi.wiring.rosters import open_roster


class FindsNodes(Protocol):
    """What such a process' settings say."""

    @property
    def driver_name(self) -> str:
        """Give the driver whose nodes these are."""

    @property
    def nodes(self) -> str:
        """Give where the nodes are found, KIND:PLACE."""

    @property
    def node_identity(self) -> str:
        """Give the DNS name in their certificates."""

    @property
    def tls(self) -> TlsFiles:
        """Give the files with our own certificate."""


class RosterReadiness(Readiness):
    """Ready once it is known where the nodes are."""

    def __init__(self, roster: Roster) -> None:
        super().__init__()
        self._roster = roster

    def why_not(self) -> str | None:
        """Give why calls cannot be passed on."""
        if self.reason is not None:
            return self.reason
        try:
            self._roster.addresses()
        except RosterAway as error:
            return str(error)
        return None

    def ready(self) -> bool:
        """Answer Probe."""
        return self.why_not() is None


def open_directory(
    settings: FindsNodes, parts: ExitStack, *, at_a_node: int, in_doubt: int
) -> tuple[Directory, Roster]:
    """Begin to follow the nodes until `parts` ends; raise InvalidRequest.

    At most `at_a_node` calls wait for one node, and `in_doubt` for nodes to say who they are.
    """
    tls = settings.tls
    certificates = Certificates.read(Path(tls.certificate), Path(tls.key), Path(tls.authorities))
    roster = open_roster(settings.nodes, settings.driver_name)
    parts.callback(roster.close)
    dialling = Dialling(certificates, settings.node_identity, settings.driver_name, at_a_node)
    directory = Directory(roster, dialling, in_doubt)
    parts.callback(directory.close)
    roster.watch(directory.refresh)
    with suppress(RosterAway):
        directory.refresh()
    return directory, roster
