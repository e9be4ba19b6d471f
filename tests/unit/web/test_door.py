"""Who is let in at the door, what they are answered, and that the line reads it back as it was."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from rokcsi.model import errors
from rokcsi.model.history import Version
from rokcsi.model.people import TOKEN_HEADER, Person, Right, Wish
from rokcsi.observe import http_server
from rokcsi.web.door import Door
from rokcsi.web.exchange import Asked
from rokcsi.web.line import TimelineLine
from rokcsi.web.server import DoorServer
from tests.fakes.certificates import Authority
from tests.unit.catalog.conftest import version

PLACE = "/v1/namespaces/team-a/versions"


@dataclass
class MemoryPeople:
    """Fits `People`: each token is its owner's name."""

    rights: set[tuple[str, Right, str]] = field(default_factory=set)

    def who(self, token: str) -> Person:
        if not token:
            raise errors.TokenRefused("nobody knows it")
        return Person(token)

    def may(self, person: Person, right: Right, namespace: str) -> bool:
        return (person.name, right, namespace) in self.rights


@dataclass
class MemoryCheckpoints:
    """Fits `AskedCheckpoints`."""

    there: list[Version] = field(default_factory=lambda: [version(1), version(2)])
    wishes: list[Wish] = field(default_factory=list)
    error: Exception | None = None

    def versions(self, namespace: str) -> Sequence[Version]:
        if self.error:
            raise self.error
        return self.there if namespace == "team-a" else []

    def version(self, namespace: str, which: str) -> Version:
        found = next((each for each in self.versions(namespace) if each.id.startswith(which)), None)
        if found is None:
            raise errors.RecordNotFound(f"there is no version {which}")
        return found

    def take(self, namespace: str, wish: Wish) -> Version:
        self.wishes.append(wish)
        return self.versions(namespace)[0]

    def pin(self, namespace: str, which: str, *, pinned: bool) -> Version:
        assert pinned
        return self.version(namespace, which)

    def remove(self, namespace: str, which: str) -> Version:
        self.there.remove(found := self.version(namespace, which))
        return found


@pytest.fixture
def people() -> MemoryPeople:
    return MemoryPeople({("ann", right, "team-a") for right in Right})


@pytest.fixture
def checkpoints() -> MemoryCheckpoints:
    return MemoryCheckpoints()


@pytest.fixture
def door(people: MemoryPeople, checkpoints: MemoryCheckpoints) -> Door:
    return Door(people, checkpoints)


@dataclass
class Straight:
    """The shortest way: fits `Way`."""

    door: Door
    token: str = "ann"

    def ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        answer = self.door.answer(Asked(method, path, self.token, body or b""))
        return answer.status, json.dumps(answer.document).encode()


def test_what_is_answered_is_read_back_as_it_was(door: Door, checkpoints: MemoryCheckpoints) -> None:
    line = TimelineLine(Straight(door), "team-a")
    first, second = checkpoints.there
    assert line.versions() == [first, second]
    assert line.version(second.id[:8]) == second
    assert line.pin(first.id, pinned=True) == first
    assert line.take(Wish("lab-0", "Title", "why", author="somebody else")) == first
    assert checkpoints.wishes == [Wish("lab-0", "Title", "why", author="ann")]
    assert line.remove(first.id) == first
    assert line.versions() == [second]


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        (Asked("GET", PLACE, ""), 401, "nobody knows it"),
        (Asked("GET", PLACE, "eve"), 403, "eve may not get pods in the namespace team-a"),
        (Asked("GET", PLACE.replace("team-a", "team-b"), "ann"), 403, "namespace team-b"),
        (Asked("GET", PLACE.replace("team-a", "..%2Fteam-a"), "ann"), 400, "no name of a namespace"),
        (Asked("GET", f"{PLACE}/abcdef", "ann"), 404, "no version abcdef"),
        (Asked("GET", "/v1/namespaces/team-a/secrets", "ann"), 404, "there is only"),
        (Asked("DELETE", PLACE, "ann"), 404, "there is only"),
        (Asked("PATCH", PLACE, "ann"), 404, "there is only"),
        (Asked("POST", PLACE, "ann", b"{"), 400, "no JSON"),
        (Asked("POST", PLACE, "ann", b"[]"), 400, "JSON object"),
        (Asked("POST", PLACE, "ann", b'{"pod": 3}'), 400, "pod is a text"),
        (Asked("POST", PLACE, "ann", b"{}"), 400, "name the pod"),
        (Asked("POST", PLACE, "ann", b"[" * 50_000), 400, "no JSON"),
        (Asked("POST", PLACE, "ann", b'{"pod": ".."}'), 400, "no name of a pod"),
        (Asked("POST", PLACE, "ann", b'{"pod": "lab-0/log"}'), 400, "no name of a pod"),
        (Asked("POST", PLACE, "ann", b'{"pod": "lab-0\\n"}'), 400, "no name of a pod"),
        (Asked("PUT", f"{PLACE}/{version(1).id}", "ann"), 400, "true or false"),
        (Asked("PUT", f"{PLACE}/{version(1).id}", "ann", b'{"pinned": "true"}'), 400, "true or false"),
    ],
)
def test_what_cannot_be_is_refused_in_words(door: Door, asked: Asked, status: int, told: str) -> None:
    answer = door.answer(asked)
    assert answer.status == status
    assert told in answer.document["message"]


@pytest.mark.parametrize("right", [Right.TAKE, Right.REMOVE])
def test_to_look_is_not_to_take_nor_to_remove(
    people: MemoryPeople, door: Door, checkpoints: MemoryCheckpoints, right: Right
) -> None:
    people.rights = {("ann", Right.LOOK, "team-a")}
    line = TimelineLine(Straight(door), "team-a")
    assert line.versions()
    with pytest.raises(errors.NotAllowed, match="may not"):
        line.take(Wish("lab-0")) if right is Right.TAKE else line.remove(checkpoints.there[0].id)
    assert not checkpoints.wishes
    assert len(checkpoints.there) == 2


@pytest.mark.parametrize(
    ("error", "status", "family"),
    [
        (errors.PoolFull("full"), 507, errors.OutOfSpace),
        (errors.PoolElsewhere("away"), 503, errors.Unavailable),
        (errors.StillInUse("pinned"), 409, errors.StillInUse),
        (errors.CatalogUnreadable("nothing is known of team-a"), 500, errors.Damaged),
    ],
)
def test_an_error_comes_out_of_the_same_family(
    door: Door,
    checkpoints: MemoryCheckpoints,
    error: errors.RokcsiError,
    status: int,
    family: type[errors.RokcsiError],
) -> None:
    checkpoints.error = error
    assert door.answer(Asked("GET", PLACE, "ann")).status == status
    with pytest.raises(family, match=str(error)):
        TimelineLine(Straight(door), "team-a").versions()


def test_who_was_refused_what_is_in_the_log_and_no_token_is(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for path in (PLACE, "/elsewhere"):
        assert door.answer(Asked("GET", path, "")).status == 401
    assert not caplog.records
    door.answer(Asked("GET", PLACE, "eve"))
    (line,) = caplog.records
    assert (line.__dict__["operation"], line.__dict__["status"]) == (PLACE, 403)
    assert "eve may not get pods" in line.__dict__["error"]
    door.answer(Asked("GET", f"/{'x' * 5000}", "token-of-eve"))
    assert "token-of-eve" not in str([each.__dict__ for each in caplog.records])
    assert len(caplog.records[1].__dict__["operation"]) <= 200


def test_an_error_that_nobody_foresaw_tells_nothing_but_its_kind(door: Door, checkpoints: MemoryCheckpoints) -> None:
    checkpoints.error = ZeroDivisionError("secret")
    answer = door.answer(Asked("GET", PLACE, "ann"))
    assert answer.status == 500
    assert "ZeroDivisionError" in answer.document["message"]
    assert "secret" not in str(answer.document)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"kind": "Status", "message": "no endpoints"}'])
def test_what_somebody_else_answers_is_no_timeline(body: bytes) -> None:
    class Elsewhere:
        def ask(self, method: str, path: str, given: bytes | None) -> tuple[int, bytes]:
            del method, path, given
            return 503, body

    with pytest.raises(errors.TimelineAway, match="the timeline does not answer"):
        TimelineLine(Elsewhere(), "team-a").versions()


class TestServer:
    """The door over its real wire."""

    @pytest.fixture
    def served(self, tmp_path: Path, door: Door) -> Iterator[str]:
        files = Authority(tmp_path).issue("timeline")
        made = DoorServer("127.0.0.1:0", files.certificate, files.key, door)
        made.start()
        yield made.address
        made.stop()

    @staticmethod
    def unverified() -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def test_a_token_comes_in_its_header(self, served: str, checkpoints: MemoryCheckpoints) -> None:
        asked = Request(f"https://{served}{PLACE}", headers={TOKEN_HEADER: "ann"})
        with urlopen(asked, context=self.unverified(), timeout=10) as answer:
            found = json.loads(answer.read())
        assert [each["id"] for each in found["versions"]] == [each.id for each in checkpoints.there]

    def test_whoever_speaks_no_tls_or_nothing_at_all_keeps_nobody_waiting(self, served: str) -> None:
        host, _, port = served.partition(":")
        silent = [socket.create_connection((host, int(port)), timeout=5) for _ in range(8)]
        silent[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
        asked = Request(f"https://{served}{PLACE}", headers={TOKEN_HEADER: "ann"})
        with urlopen(asked, context=self.unverified(), timeout=5) as answer:
            assert answer.status == 200
        for each in silent:
            each.close()

    def test_whoever_sends_a_request_letter_by_letter_keeps_no_thread(
        self, served: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_server, "_REQUEST_SECONDS", 0.6)
        host, _, port = served.partition(":")
        with (
            socket.create_connection((host, int(port)), timeout=5) as plain,
            self.unverified().wrap_socket(plain) as line,
        ):
            line.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
            until, ended = time.monotonic() + 5, False
            line.settimeout(0.2)
            while not ended and time.monotonic() < until:
                try:
                    line.sendall(b"x")
                    ended = line.recv(1) == b""
                except TimeoutError:
                    continue
                except OSError:
                    ended = True
        assert ended

    def test_those_for_whom_no_thread_could_be_begun_leave_their_places_to_others(
        self, served: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none_left(*_: object) -> None:
            raise RuntimeError("can't start new thread")

        host, _, port = served.partition(":")
        with monkeypatch.context() as short:
            short.setattr("socketserver.ThreadingMixIn.process_request", none_left)
            for _ in range(40):
                with socket.create_connection((host, int(port)), timeout=5) as refused:
                    assert refused.recv(1) == b""
        asked = Request(f"https://{served}{PLACE}", headers={TOKEN_HEADER: "ann"})
        with urlopen(asked, context=self.unverified(), timeout=5) as answer:
            assert answer.status == 200

    @pytest.mark.parametrize("length", ["10000000", "9" * 5000, "-1", "x"])
    def test_a_body_that_is_too_long_is_not_read(self, served: str, length: str) -> None:
        host, _, port = served.partition(":")
        with (
            socket.create_connection((host, int(port)), timeout=5) as plain,
            self.unverified().wrap_socket(plain) as line,
        ):
            line.sendall(f"POST {PLACE} HTTP/1.1\r\n{TOKEN_HEADER}: ann\r\nContent-Length: {length}\r\n\r\n".encode())
            assert b" 413 " in line.recv(100)


def test_a_port_that_somebody_has_and_a_file_that_is_no_certificate_are_told(tmp_path: Path, door: Door) -> None:
    files = Authority(tmp_path).issue("timeline")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(errors.SocketTaken, match=place):
            DoorServer(place, files.certificate, files.key, door)
    with pytest.raises(errors.InvalidRequest, match="no certificate"):
        DoorServer("127.0.0.1:0", tmp_path / "missing", files.key, door)
