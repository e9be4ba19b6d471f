"""As much of Kubernetes' API server as the house asks for: lists, watches, config maps, any object by path; over plain HTTP.

It knows tokens and rights as a test says, and passes on what is asked of a Service's port.

A test changes its EndpointSlices, and other objects by their paths, forgets its history (410),
makes it fail, sends bookmarks, or ends its watches; it counts what it was asked.
"""

from __future__ import annotations

import http.client
import json
import queue
import re
import ssl
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
_SNAPSHOT_API = "/apis/snapshot.storage.k8s.io/v1"
_LISTED = (
    _SLICES,
    "/api/v1/persistentvolumeclaims",
    "/api/v1/pods",
    "/api/v1/namespaces",
    f"{_SNAPSHOT_API}/volumesnapshots",
    f"{_SNAPSHOT_API}/volumesnapshotcontents",
)
_END = object()
Body = dict[str, Any]


@dataclass
class ApiState:
    """What the server holds, and how it behaves."""

    slices: dict[str, Body] = field(default_factory=dict)
    maps: dict[str, Body] = field(default_factory=dict)
    volumes: list[Body] = field(default_factory=list)
    things: dict[str, Body] = field(default_factory=dict)
    version: int = 100
    oldest: int = 0
    failures: int = 0
    short_watches: bool = False
    tokens: dict[str, str] = field(default_factory=dict)
    rights: set[tuple[str, str, str, str]] = field(default_factory=set)
    services: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    begun_at: list[str] = field(default_factory=list)
    history: list[tuple[str, Body]] = field(default_factory=list)
    watchers: list[tuple[str, queue.Queue[Any]]] = field(default_factory=list)
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
            self._tell(_SLICES, kind, self.slices[name])

    def remove(self, name: str) -> None:
        """Delete a slice."""
        with self.lock:
            self._tell(_SLICES, "DELETED", self.slices.pop(name))

    def have(self, path: str, body: Body) -> Body:
        """Have an object at its path, and tell those who watch its kind in all namespaces; give it as it is then."""
        with self.lock:
            kind = "MODIFIED" if path in self.things else "ADDED"
            self.things[path] = body
            self._tell(_all_namespaces(path), kind, body)
            return body

    def delete(self, path: str) -> None:
        """Delete an object."""
        with self.lock:
            self._tell(_all_namespaces(path), "DELETED", self.things.pop(path))

    def of_kind(self, path: str) -> list[Body]:
        """Give the objects of a kind, by the path that lists them in all namespaces."""
        return [body for at, body in self.things.items() if _all_namespaces(at) == path]

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
        for _, watcher in self.watchers:
            watcher.put(event)

    def end_watches(self) -> None:
        """End every watch under way, as the server does every few minutes."""
        with self.lock:
            for _, watcher in self.watchers:
                watcher.put(_END)

    def _tell(self, path: str, kind: str, changed: Body) -> None:
        self.version += 1
        changed["metadata"]["resourceVersion"] = str(self.version)
        event = {"type": kind, "object": json.loads(json.dumps(changed))}
        self.history.append((path, event))
        for watched, watcher in self.watchers:
            if watched == path:
                watcher.put(event)


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


def _all_namespaces(path: str) -> str:
    """Give the path that lists an object's kind in all namespaces."""
    return re.sub("/namespaces/[^/]+/", "/", path.rpartition("/")[0] + "/").rstrip("/")


def _gone() -> Body:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    return {"type": "ERROR", "object": status}


def answer(handler: BaseHTTPRequestHandler, status: int, body: Body) -> None:
    """Answer a request with JSON."""
    content = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


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
        if self._passed_on():
            return
        place, query = (
            urlsplit(self.path),
            {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()},
        )
        if query.get("watch"):
            self._watch(place.path, query)
        elif place.path in _LISTED:
            self._list(place.path, query.get("labelSelector"))
        elif place.path == "/api/v1/persistentvolumes":
            self._volumes(query)
        elif place.path.startswith(_MAPS):
            found = self.state.maps.get(place.path.rpartition("/")[2])
            self._answer(200 if found else 404, found or {})
        else:
            found = self.state.things.get(place.path)
            self._answer(200 if found else 404, found or {})

    def do_POST(self) -> None:
        if self._passed_on():
            return
        body = self._body()
        if body.get("kind") in {"TokenReview", "SubjectAccessReview"}:
            self._answer(201, body | {"status": self._reviewed(**body["spec"])})
            return
        path = f"{self.path.partition('?')[0]}/{body['metadata']['name']}"
        if path in self.state.things:
            self._answer(409, {"kind": "Status", "code": 409, "reason": "AlreadyExists"})
            return
        if not path.startswith(_MAPS):
            body["metadata"].setdefault("uid", f"uid-{self.state.version}")
            self._answer(201, self.state.have(path, body))
            return
        self.state.maps[body["metadata"]["name"]] = body
        self._answer(201, body)

    def do_PUT(self) -> None:
        assert self._passed_on()

    def do_DELETE(self) -> None:
        if self._passed_on():
            return
        place, body = self.path.partition("?")[0], self._body()
        found = self.state.things.get(place)
        uid = (body.get("preconditions") or {}).get("uid")
        if found is None or (uid and uid != found["metadata"]["uid"]):
            self._answer(404 if found is None else 409, {"kind": "Status"})
            return
        self.state.delete(place)
        self._answer(200, {})

    def _reviewed(self, token: str = "", user: str = "", **spec: Any) -> Body:
        """Say whose token it is, or whether a user has a right (user, verb, resource, namespace)."""
        if "resourceAttributes" not in spec:
            name = self.state.tokens.get(token)
            return {"authenticated": name is not None, "user": {"username": name, "groups": ["all"]}}
        what = spec["resourceAttributes"]
        return {"allowed": (user, what["verb"], what["resource"], what["namespace"]) in self.state.rights}

    def _passed_on(self) -> bool:
        """Pass a request on to the Service that it is for: over TLS, without the header that names the user."""
        before, proxy, path = self.path.partition("/proxy/")
        if not proxy:
            return False
        length = int(self.headers.get("Content-Length") or 0)
        headers = {key: text for key, text in self.headers.items() if key not in {"Authorization", "Host"}}
        place = self.state.services.get(before)
        if place is None:
            self._answer(404, {"kind": "Status", "message": f"{before} not found"})
            return True
        line = http.client.HTTPSConnection(
            place, context=ssl._create_unverified_context(), timeout=30
        )  # as API servers do
        line.request(self.command, f"/{path}", self.rfile.read(length), headers)
        answer = line.getresponse()
        self._answer(answer.status, json.loads(answer.read()))
        line.close()
        return True

    def do_PATCH(self) -> None:
        if self.path in self.state.things:
            self._patch(self.state.things[self.path], self._body())
            return
        body, found = self._body(), self.state.maps.get(self.path.rpartition("/")[2])
        if found and "data" in body:
            found["data"] |= body["data"]
        self._answer(200 if found else 404, found or {})

    def _patch(self, found: Body, body: Body) -> None:
        """Write what is given over what is there, if the version is the one that the caller has read."""
        metadata = body.pop("metadata", {})
        with self.state.lock:
            if any(found["metadata"][key] != metadata[key] for key in ("uid", "resourceVersion") if key in metadata):
                self._answer(409, {"kind": "Status", "code": 409, "reason": "Conflict"})
                return
            annotations = {**found["metadata"].get("annotations", {}), **metadata.get("annotations", {})}
            found["metadata"]["annotations"] = annotations
            self._answer(200, self.state.have(self.path, found | body))

    def _list(self, path: str, label: str | None) -> None:
        with self.state.lock:
            self.state.asked["list"] += 1
            if self.state.failures:
                self.state.failures -= 1
                self._answer(500, {"kind": "Status", "code": 500, "reason": "InternalError"})
                return
            items = list(self.state.slices.values()) if path == _SLICES else self.state.of_kind(path)
            if path.startswith(_SNAPSHOT_API) and label:
                items = [each for each in items if label in (each["metadata"].get("labels") or {})]
            self._answer(200, {"metadata": {"resourceVersion": str(self.state.version)}, "items": items})

    def _watch(self, path: str, query: Mapping[str, str]) -> None:
        events: queue.Queue[Any] = queue.Queue()
        with self.state.lock:
            self.state.asked["watch"] += 1
            self.state.begun_at.append(query["resourceVersion"])
            if int(query["resourceVersion"]) < self.state.oldest:
                events.put(_gone())
            for told, event in self.state.history:
                if told == path and int(event["object"]["metadata"]["resourceVersion"]) > int(query["resourceVersion"]):
                    events.put(event)
            if self.state.short_watches:
                events.put(_END)
            self.state.watchers.append((path, events))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._stream(events)
        with self.state.lock:
            self.state.watchers.remove((path, events))

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
        content: Body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        return content

    def _answer(self, status: int, body: Body) -> None:
        answer(self, status, body)
