"""As much of Kubernetes' API server as the house asks for: lists, watches, config maps, volumes; over plain HTTP.

A test changes its EndpointSlices, forgets its history (410), makes it fail, sends bookmarks,
or ends its watches; it counts what it was asked.
"""

from __future__ import annotations

import json
import queue
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from kubernetes import client

NAMESPACE, SERVICE = "rok", "rokcsi-nodes"
_SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
_END = object()
Body = dict[str, Any]


@dataclass
class ApiState:
    """What the server holds, and how it behaves."""

    slices: dict[str, Body] = field(default_factory=dict)
    maps: dict[str, Body] = field(default_factory=dict)
    volumes: list[Body] = field(default_factory=list)
    version: int = 100
    oldest: int = 0
    failures: int = 0
    short_watches: bool = False
    asked: Counter[str] = field(default_factory=Counter)
    begun_at: list[str] = field(default_factory=list)
    history: list[Body] = field(default_factory=list)
    watchers: list[queue.Queue[Any]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, name: str, *nodes: Mapping[str, Any], family: str = "IPv4", port: int = 9811) -> None:
        """Have a slice with these endpoints (`address`, and maybe `node`, `conditions`)."""
        with self.lock:
            kind = "MODIFIED" if name in self.slices else "ADDED"
            self.slices[name] = {
                "metadata": {"name": name, "namespace": NAMESPACE},
                "addressType": family,
                "ports": [{"name": "metrics", "port": 9810}, {"name": "csi", "port": port}],
                "endpoints": [_endpoint(**node) for node in nodes],
            }
            self._tell(kind, self.slices[name])

    def remove(self, name: str) -> None:
        """Delete a slice."""
        with self.lock:
            self._tell("DELETED", self.slices.pop(name))

    def forget_history(self) -> None:
        """Answer every watch, those under way too, with 410 until it begins at a new list."""
        with self.lock:
            self.version += 1
            self.oldest = self.version
            self.say(_gone())

    def bookmark(self) -> None:
        """Tell every watch how far it has come, in the words of kube-apiserver v1.36, as it does about once a minute."""
        with self.lock:
            self.version += 1
            kind = {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1"}
            nothing = {"addressType": "", "endpoints": None, "ports": None}
            self.say(
                {"type": "BOOKMARK", "object": {**kind, "metadata": {"resourceVersion": str(self.version)}, **nothing}}
            )

    def say(self, event: Body) -> None:
        """Send an event to every watch, whatever it is."""
        for watcher in self.watchers:
            watcher.put(event)

    def end_watches(self) -> None:
        """End every watch under way, as the server does every few minutes."""
        with self.lock:
            for watcher in self.watchers:
                watcher.put(_END)

    def _tell(self, kind: str, changed: Body) -> None:
        self.version += 1
        changed["metadata"]["resourceVersion"] = str(self.version)
        event = {"type": kind, "object": json.loads(json.dumps(changed))}
        self.history.append(event)
        self.say(event)


@contextmanager
def api_server() -> Iterator[tuple[ApiState, Any]]:
    """Serve; give the state and a client of the real Kubernetes client for it."""
    server = _Server(("127.0.0.1", 0), _Api)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    configuration = client.Configuration(host=f"http://127.0.0.1:{server.server_address[1]}")
    configuration.retries = False
    try:
        yield server.state, client.ApiClient(configuration)
    finally:
        server.state.end_watches()
        server.shutdown()
        server.server_close()


def volume(handle: str, node: str, driver: str = "rokcsi.dev") -> Body:
    """Give a PersistentVolume of a driver that is bound to a node."""
    expression = {"key": "topology.rokcsi.dev/node", "operator": "In", "values": [node]}
    return {
        "metadata": {"name": handle[-8:]},
        "spec": {
            "csi": {"driver": driver, "volumeHandle": handle},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
    }


def _endpoint(address: str, node: str = "", conditions: Mapping[str, bool] | None = None) -> Body:
    return {"addresses": [address], "nodeName": node or None, "conditions": conditions or {"ready": True}}


def _gone() -> Body:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    return {"type": "ERROR", "object": status}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state = ApiState()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up in the middle of a watch."""


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def state(self) -> ApiState:
        return cast("_Server", self.server).state

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        place, query = (
            urlsplit(self.path),
            {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()},
        )
        if place.path == _SLICES:
            self._watch(query) if query.get("watch") else self._list()
        elif place.path == "/api/v1/persistentvolumes":
            self._volumes(query)
        elif place.path.startswith(_MAPS):
            found = self.state.maps.get(place.path.rpartition("/")[2])
            self._answer(200 if found else 404, found or {})
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        body = self._body()
        self.state.maps[body["metadata"]["name"]] = body
        self._answer(201, body)

    def do_PATCH(self) -> None:
        body, found = self._body(), self.state.maps.get(self.path.rpartition("/")[2])
        if found:
            found["data"] |= body["data"]
        self._answer(200 if found else 404, found or {})

    def _list(self) -> None:
        with self.state.lock:
            self.state.asked["list"] += 1
            if self.state.failures:
                self.state.failures -= 1
                self._answer(500, {"kind": "Status", "code": 500, "reason": "InternalError"})
                return
            items = list(self.state.slices.values())
            self._answer(200, {"metadata": {"resourceVersion": str(self.state.version)}, "items": items})

    def _watch(self, query: Mapping[str, str]) -> None:
        events: queue.Queue[Any] = queue.Queue()
        with self.state.lock:
            self.state.asked["watch"] += 1
            self.state.begun_at.append(query["resourceVersion"])
            if int(query["resourceVersion"]) < self.state.oldest:
                events.put(_gone())
            for event in self.state.history:
                if int(event["object"]["metadata"]["resourceVersion"]) > int(query["resourceVersion"]):
                    events.put(event)
            if self.state.short_watches:
                events.put(_END)
            self.state.watchers.append(events)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._stream(events)
        with self.state.lock:
            self.state.watchers.remove(events)

    def _stream(self, events: queue.Queue[Any]) -> None:
        while (event := events.get()) is not _END:
            self._chunk(json.dumps(event).encode() + b"\n")
            if event["type"] == "ERROR":
                break
        self._chunk(b"")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _volumes(self, query: Mapping[str, str]) -> None:
        start = int(query.get("continue") or 0)
        part = self.state.volumes[start : start + 2]  # small pages, whatever was asked for
        end = start + len(part)
        more = str(end) if end < len(self.state.volumes) else ""
        self._answer(200, {"metadata": {"continue": more}, "items": part})

    def _body(self) -> Body:
        content: Body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return content

    def _answer(self, status: int, body: Body) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
