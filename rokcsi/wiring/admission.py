"""The door at which the API server asks for a clone's node while its claim is being made, put together.

Imported only where it is wanted, by a timeline.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from rokcsi.config.settings import AdmissionSettings
from rokcsi.model.claims import Claims, CreationLog, Places
from rokcsi.timeline.first_nodes import TimelyFirstNodes
from rokcsi.timeline.whereabouts import Whereabouts
from rokcsi.web.admission import AdmissionDoor
from rokcsi.web.server import DoorServer


def serve_admission(
    settings: AdmissionSettings, claims: Claims, places: Places, log: CreationLog, parts: ExitStack
) -> str:
    """Serve the API server until `parts` ends, give HOST:PORT; raise InvalidRequest, SocketTaken."""
    nodes = TimelyFirstNodes(Whereabouts(claims, places), log)
    parts.callback(nodes.stop)
    files = Path(settings.certificate), Path(settings.key)
    server = DoorServer(settings.listen, *files, AdmissionDoor(nodes), "admission")
    server.start()
    parts.callback(server.stop)
    return server.address
