"""Objects that a user has made: all or none, and refused in the API server's own words."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from kubernetes import client

from rokcsi.kube.access import make
from rokcsi.model.errors import InvalidRequest, NotAllowed, RecordExists, RokcsiError, RosterAway
from tests.fakes.api_server import answer

CLAIM = {"kind": "PersistentVolumeClaim", "metadata": {"name": "again-work", "namespace": "work"}}
POD = {"kind": "Pod", "metadata": {"name": "again", "namespace": "work"}}


class Refusing(BaseHTTPRequestHandler):
    """An API server that makes claims and refuses pods."""

    status = 403
    deletes = 200
    asked: list[str] = []  # noqa: RUF012 - made anew for each test

    def do_POST(self) -> None:
        self.asked.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        answer(self, self.status if self.path.endswith("/pods") else 201, {"message": "exceeded quota: few"})

    def do_DELETE(self) -> None:
        self.asked.append(f"delete {self.path}")
        answer(self, self.deletes, {})

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[Any]:
    Refusing.asked, Refusing.deletes = [], 200
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{server.server_address[1]}"))
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (403, NotAllowed, "the Pod again in the namespace work is refused: exceeded quota: few"),
        (409, RecordExists, "there is the Pod again"),
        (422, InvalidRequest, "cannot be made: exceeded quota: few"),
        (500, RosterAway, "does not answer as hoped"),
    ],
)
def test_what_is_refused_takes_what_was_made_before_with_it(
    api: Any, status: int, error: type[RokcsiError], told: str
) -> None:
    Refusing.status = status
    with pytest.raises(error, match=told):
        make(api, [CLAIM, POD])
    place = "/api/v1/namespaces/work"
    assert [each.partition("?")[0] for each in Refusing.asked] == [
        f"{place}/persistentvolumeclaims",
        f"{place}/pods",
        f"delete {place}/persistentvolumeclaims/again-work",
    ]


def test_what_cannot_be_taken_back_is_named_beside_what_was_refused(api: Any) -> None:
    Refusing.status, Refusing.deletes = 403, 403
    with pytest.raises(NotAllowed, match="exceeded quota: few; delete what is left: again-work, again-data"):
        make(api, [CLAIM, {**CLAIM, "metadata": {"name": "again-data", "namespace": "work"}}, POD])
