"""The HTTP server of a door: TLS with our own certificate, threads, limits, and nothing of a request in the log."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.errors import InvalidRequest, SocketTaken
from rokcsi.model.people import TOKEN_HEADER
from rokcsi.observe.http_server import BackgroundServer
from rokcsi.observe.logs import request
from rokcsi.web.exchange import Answer, Answers, Asked, refused

_SILENT_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_MOST_BYTES = 64 * 1024
_MOST_AT_ONCE = 32


class DoorServer(BackgroundServer):
    """Serves a door at HOST:PORT, as the setting `called` says; raises SocketTaken, InvalidRequest for bad files."""

    def __init__(self, address: str, certificate: Path, key: Path, door: Answers, called: str = "people") -> None:
        host, _, port = address.rpartition(":")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise InvalidRequest(f"{certificate} and {key} are no certificate with its key: {error}") from error
        try:
            server = _Server((host.strip("[]"), int(port)), context, door)
        except OSError as error:
            raise SocketTaken(f"nobody can listen on {address}: {error.strerror}; choose another --{called}") from error
        super().__init__(server, called)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, door: Answers) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.context = context
        self.door = door
        self.places = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(address, _Exchange)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hang up on those for whom there is no thread left: they ask again."""
        if not self.places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Shake hands in the exchange's own thread, so that nobody who is slow at it keeps others waiting."""
        try:
            request.settimeout(_SILENT_SECONDS)
            wrapped = self.context.wrap_socket(request, server_side=True)
        except (OSError, ValueError):  # whoever speaks no TLS is not answered
            self.shutdown_request(request)
        else:
            super().process_request_thread(wrapped, client_address)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a caller who hung up is no event, and the door logs what went wrong behind it."""


class _Exchange(BaseHTTPRequestHandler):
    timeout = _SILENT_SECONDS
    server_version = "rokcsi"
    sys_version = ""

    def do_GET(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            self._send(Answer(413, refused(InvalidRequest(f"a request has at most {_MOST_BYTES} bytes"))))
            return
        body = self.rfile.read(int(length))
        asked = Asked(self.command, self.path.partition("?")[0], self.headers.get(TOKEN_HEADER, ""), body)
        with request(), deadline(Deadline(time.monotonic() + _ANSWER_SECONDS)):
            answer = cast("_Server", self.server).door.answer(asked)
        self._send(answer)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server looks for these names

    def _send(self, answer: Answer) -> None:
        body = json.dumps(answer.document).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the door's own line has no token in it."""
