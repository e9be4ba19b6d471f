"""A line: the one channel to a node's address, and what the node there has announced.

    new → asked → answers ⇄ doubted (a call found nobody) → asked again … → retired

A node is asked who it is when its line is new, and again after nobody answered a call; what
it announced is remembered meanwhile, so that its volumes are known to be away, not unknown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc
from google.protobuf.message import Message

from rokcsi.csi.announcement import Announcement, read_announcement
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc
from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import NodeBusy, PoolElsewhere, Unavailable
from rokcsi.model.roster import NodeAddress

ASK_SECONDS = 3.0
PAUSE_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0
Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Heard:
    """What was last heard on a line: the announcement and when it came, and why nobody answers now (empty while one does)."""

    announcement: Announcement | None
    at: float
    why_away: str

    @property
    def current(self) -> Announcement | None:
        """Give the announcement of a node that answers."""
        return None if self.why_away else self.announcement


class Line:
    """Safe for many threads. `places` is how many calls may be under way on it at once."""

    def __init__(
        self, where: NodeAddress, channel: grpc.Channel, driver: str, places: int, heard: Callable[[], None]
    ) -> None:
        self.where = where
        self._channel = channel
        self._driver = driver
        self._tell = heard
        self._places = threading.BoundedSemaphore(places)
        self._lock = threading.Lock()
        self._state = Heard(None, 0.0, "it has not been asked yet")
        self._asking = False
        self._ask_again_at = 0.0
        self._moved_at = 0.0
        self._at_work = 0
        self._retired = False
        generated: Any = csi_pb2_grpc  # protoc writes no types for it
        stubs = (generated.IdentityStub, generated.ControllerStub, generated.GroupControllerStub)
        self._stubs = tuple(stub(channel) for stub in stubs)

    @property
    def heard(self) -> Heard:
        """Give what was last heard, all of one moment."""
        return self._state

    @property
    def name(self) -> str:
        """Give what people call the node: as it announced itself, else as the roster has it."""
        announcement = self._state.announcement
        return announcement.driver.node_id if announcement else str(self.where)

    @property
    def is_being_asked(self) -> bool:
        """Tell whether an answer is still to come."""
        return self._asking

    @property
    def has_been_asked(self) -> bool:
        """Tell whether anything was heard yet, be it that nobody answers."""
        return self._ask_again_at > 0.0 and not self._asking

    def ask(self) -> None:
        """Ask who is there, and wait for nothing; not more than once a second."""
        with self._lock:
            if self._asking or time.monotonic() < self._ask_again_at:
                return
            self._asking = True
        try:
            call = self.begin("GetPluginInfo", csi.GetPluginInfoRequest(), (), ASK_SECONDS)
        except PoolElsewhere:  # retired: nobody is waiting for the answer
            self._asking = False
            return
        call.add_done_callback(self._listen)

    def doubt(self, why: str) -> None:
        """Take note that a call found nobody there; the next one asks first."""
        with self._lock:
            self._state = replace(self._state, why_away=why)
            self._ask_again_at = 0.0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold one of the line's places for a call; raise NodeBusy where all are taken and none was given back for a second."""
        if not self._places.acquire(timeout=self._patience()):
            raise NodeBusy(f"too many calls wait for node {self.name}; try again")
        self._moved_at = time.monotonic()
        try:
            yield
        finally:
            self._places.release()

    def begin(self, method: str, request: Message, metadata: Metadata, seconds: float | None) -> Any:
        """Send a call; give gRPC's call, which is a future. Raises PoolElsewhere where the line was retired meanwhile."""
        with self._lock:
            if self._retired:
                raise PoolElsewhere(f"node {self.name} has just left its address; try again")
            self._at_work += 1
        stub = next(stub for stub in self._stubs if hasattr(stub, method))
        call = getattr(stub, method).future(request, timeout=seconds, metadata=metadata)
        call.add_done_callback(self._leave)
        return call

    def retire(self) -> None:
        """Close the channel once the calls under way have ended; none can be begun any more."""
        with self._lock:
            self._retired = True
            idle = self._at_work == 0
        if idle:
            self._channel.close()

    def _patience(self) -> float:
        """Give how long a place is waited for: while the node answers others, so that one that hangs keeps no worker.

        A place that was just taken counts as an answer: a node that was idle has not had its second yet.
        """
        remaining = current_deadline().remaining_seconds()
        seconds = max(0.0, self._moved_at + _PATIENCE_SECONDS - time.monotonic())
        return seconds if remaining is None else min(seconds, remaining)

    def _leave(self, call: Any) -> None:
        del call
        with self._lock:
            self._moved_at = time.monotonic()
            self._at_work -= 1
            last = self._retired and self._at_work == 0
        if last:
            self._channel.close()

    def _listen(self, call: Any) -> None:
        """Hear the answer, in a thread of gRPC's."""
        now = time.monotonic()
        announcement, why = _answer(call, self._driver)
        with self._lock:
            self._state = Heard(announcement, now, "") if announcement else replace(self._state, why_away=why)
            self._asking = False
            self._ask_again_at = now + PAUSE_SECONDS
        self._tell()


def _answer(call: Any, driver: str) -> tuple[Announcement | None, str]:
    if call.code() is not grpc.StatusCode.OK:
        return None, f"{call.code().name}: {call.details()}"
    try:
        return read_announcement(call.result(), driver), ""
    except Unavailable as error:
        return None, str(error)
