"""The API server's door: what is let through, with a node and without, over the real wire as well."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from rokcsi.model.claims import Claim
from rokcsi.model.errors import SocketTaken
from rokcsi.web.admission import PATH, AdmissionDoor
from rokcsi.web.exchange import Answer, Asked
from rokcsi.web.server import DoorServer
from tests.fakes.certificates import Authority, CertificateFiles
from tests.fakes.kube_objects import a_claim, a_review

SERVICE = "rok-timeline.rokcsi-system.svc"


@dataclass
class ToldNodes:
    """Fits `FirstNodes`: the node that a test says."""

    node: str = "here"
    asked: list[Claim] = field(default_factory=list)

    def node_for(self, claim: Claim) -> str:
        self.asked.append(claim)
        return self.node


@pytest.fixture
def nodes() -> ToldNodes:
    return ToldNodes()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return Authority(tmp_path_factory.mktemp("tls")).issue(SERVICE)


def given(review: Any) -> Asked:
    return Asked("POST", PATH, "", json.dumps(review).encode())


def patch_of(document: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(document["response"]["patch"]))


def test_a_clones_claim_goes_on_with_its_node(nodes: ToldNodes) -> None:
    answer = AdmissionDoor(nodes).answer(given(a_review(a_claim("again"))))
    assert answer.status == 200
    assert answer.document["response"]["allowed"] is True
    assert "here" in str(patch_of(answer.document))


def test_a_dry_run_is_answered_like_any_other(nodes: ToldNodes) -> None:
    door = AdmissionDoor(nodes)
    asked = (given(a_review(a_claim("again"), dryRun=each)) for each in (False, True))
    first, second = (door.answer(each) for each in asked)
    assert first == second


def test_without_a_known_node_it_goes_on_as_it_was(nodes: ToldNodes) -> None:
    nodes.node = ""
    answer = AdmissionDoor(nodes).answer(given(a_review(a_claim("again"))))
    assert answer.status == 200
    assert answer.document["response"] == {"uid": answer.document["response"]["uid"], "allowed": True}


def test_nobody_is_asked_about_what_is_no_clone(nodes: ToldNodes) -> None:
    answer = AdmissionDoor(nodes).answer(given(a_review(a_claim("again", source=None))))
    assert answer.document["response"]["allowed"] is True
    assert "patch" not in answer.document["response"]
    assert not nodes.asked


def test_a_review_that_is_none_is_refused_and_nobody_asked(nodes: ToldNodes) -> None:
    answer = AdmissionDoor(nodes).answer(given({"kind": "AdmissionReview"}))
    assert answer.status == 400
    assert "AdmissionReview" in answer.document["message"]
    assert not nodes.asked


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"[" * 60_000, b'"AdmissionReview"', b"{}"])
def test_what_is_no_object_of_json_is_refused_too(nodes: ToldNodes, body: bytes) -> None:
    assert AdmissionDoor(nodes).answer(Asked("POST", PATH, "", body)).status == 400


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("POST", "/"), ("DELETE", PATH), ("POST", f"{PATH}/x")])
def test_there_is_one_thing_to_ask(nodes: ToldNodes, method: str, path: str) -> None:
    assert AdmissionDoor(nodes).answer(Asked(method, path, "")).status == 404


class TestServer:
    """The door as the API server comes to it: by the Service's name, which the certificate has to carry."""

    @pytest.fixture
    def served(self, files: CertificateFiles, nodes: ToldNodes) -> Iterator[str]:
        server = DoorServer("127.0.0.1:0", files.certificate, files.key, AdmissionDoor(nodes), "admission")
        server.start()
        yield server.address
        server.stop()

    @staticmethod
    def posted(address: str, authorities: Path, body: bytes) -> Answer:
        """Post over TLS that is verified as the API server does: against the bundle, and the Service's name."""
        host, _, port = address.partition(":")
        context = ssl.create_default_context(cafile=str(authorities))
        with socket.create_connection((host, int(port)), timeout=10) as plain:
            line = HTTPSConnection(SERVICE, context=context)
            line.sock = context.wrap_socket(plain, server_hostname=SERVICE)
            line.request("POST", f"{PATH}?timeout=1s", body, {"Content-Type": "application/json"})
            answer = line.getresponse()
            return Answer(answer.status, json.loads(answer.read()))

    def test_the_api_server_is_answered_over_verified_tls(self, served: str, files: CertificateFiles) -> None:
        answer = self.posted(served, files.authorities, json.dumps(a_review(a_claim("again"))).encode())
        assert answer.status == 200
        assert "here" in str(patch_of(answer.document))

    def test_a_review_that_is_too_large_is_not_looked_at_and_its_sender_is_told(
        self, served: str, files: CertificateFiles, nodes: ToldNodes
    ) -> None:
        large = a_review(a_claim("again", annotations={"large": "x" * 7_000_000}))
        assert self.posted(served, files.authorities, json.dumps(large).encode()).status == 413
        assert not nodes.asked

    def test_a_port_that_somebody_has_is_told_with_its_setting(self, served: str, files: CertificateFiles) -> None:
        with pytest.raises(SocketTaken, match=f"{served}.*--admission"):
            DoorServer(served, files.certificate, files.key, AdmissionDoor(ToldNodes()), "admission")
