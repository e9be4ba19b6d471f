"""The HTTP server of a door: TLS with our own certificate, threads, limits, and nothing of a request in the log."""

from __future__ import annotations

import json
import ssl
import time
from pathlib import Path
from typing import Any, cast

from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.people import TOKEN_HEADER
from rokcsi.observe.http_server import BackgroundServer, BoundServer, Exchange
from rokcsi.observe.logs import request
from rokcsi.web.exchange import Answer, Answers, Asked, refused

_ANSWER_SECONDS = 60.0
_MOST_BYTES = 64 * 1024
_MOST_DIGITS = 9
_PIECE_BYTES = 64 * 1024


class DoorServer(BackgroundServer):
    """Serves a door at HOST:PORT, as the setting `called` says; raises SocketTaken, InvalidRequest for bad files."""

    def __init__(self, address: str, certificate: Path, key: Path, door: Answers, called: str = "people") -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise InvalidRequest(f"{certificate} and {key} are no certificate with its key: {error}") from error
        super().__init__(_Server(address, context, door, f"--{called}"), called)


class _Server(BoundServer):
    def __init__(self, address: str, context: ssl.SSLContext, door: Answers, option: str) -> None:
        self.context = context
        self.door = door
        super().__init__(address, _Asking, option)

    def prepared(self, request: Any) -> Any:
        """Shake hands; whoever speaks no TLS is not answered."""
        return self.context.wrap_socket(request, server_side=True)


class _Asking(Exchange):
    def do_GET(self) -> None:  # noqa: N802 - http.server looks for this name
        length = self._length()
        if length is None or length > _MOST_BYTES:
            self._send(Answer(413, refused(InvalidRequest(f"a request has at most {_MOST_BYTES} bytes"))))
            self._let_it_all_come(length or 0)
            return
        body = self.rfile.read(length)
        asked = Asked(self.command, self.path.partition("?")[0], self.headers.get(TOKEN_HEADER, ""), body)
        with request(), deadline(Deadline(time.monotonic() + _ANSWER_SECONDS)):
            answer = cast("_Server", self.server).door.answer(asked)
        self._send(answer)

    def _length(self) -> int | None:
        """Give how many bytes are sent with the request, None where what it says of that is no number to reckon with."""
        length = self.headers.get("Content-Length", "0")
        return int(length) if length.isdecimal() and len(length) <= _MOST_DIGITS else None

    def _let_it_all_come(self, left: int) -> None:
        """Throw away what is still sent: many clients read an answer only once they have sent all, and would see a broken line."""
        while left > 0 and (piece := self.rfile.read1(min(left, _PIECE_BYTES))):
            left -= len(piece)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server looks for these names

    def _send(self, answer: Answer) -> None:
        self.answer(answer.status, "application/json", json.dumps(answer.document).encode())
