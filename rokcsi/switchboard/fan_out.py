"""One question for every node: what those answer that are there, and who did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message

from rokcsi.csi.status import Relayed
from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import PoolElsewhere
from rokcsi.model.ids import PoolId
from rokcsi.switchboard.directory import Directory, Route
from rokcsi.switchboard.relay import RouteLog, begin, outcome

AWAY = "rokcsi-away"  # trailing metadata: the nodes that a list says nothing of
_PATIENCE_SECONDS = 5.0
_NOT_THERE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class Question:
    """A request for one node."""

    route: Route
    request: Message


class FanOut:
    """The nodes that a call asks together; those that are away are remembered."""

    def __init__(self, directory: Directory, routes: RouteLog, context: grpc.ServicerContext) -> None:
        """Find the nodes; raise PoolElsewhere where not one answers."""
        self.present = directory.answering()
        self._routes = routes
        self._context = context
        self._away = {line.name for line in directory.away()}
        self._silent: set[PoolId] = set()
        self._refuse_where_nobody_answers()

    def ask(self, questions: Sequence[Question]) -> Sequence[Any]:
        """Ask all at once; give a response, or None where the node is away, in the order of the questions.

        A node has half of the time that is left, so that one that hangs leaves some for the others' answers.
        Raises Relayed with the first other refusal.
        """
        remaining = current_deadline().remaining_seconds()
        seconds = _PATIENCE_SECONDS if remaining is None else min(_PATIENCE_SECONDS, remaining / 2)
        calls = [(each.route, self._begun(each, seconds)) for each in questions]
        return [self._answer(route, call) if call else self._missed(route) for route, call in calls]

    def tell_who_is_away(self) -> None:
        """Say in the trailing metadata which nodes the answer knows nothing of; raise PoolElsewhere if that is all."""
        self._refuse_where_nobody_answers()
        if self._away:
            self._context.set_trailing_metadata(((AWAY, ",".join(sorted(map(_ascii, self._away)))),))

    def _begun(self, question: Question, seconds: float) -> Any:
        """Send a question; give None where its node has just left its address."""
        try:
            return begin(question.route, question.request, self._context, seconds)
        except PoolElsewhere:
            return None

    def _answer(self, route: Route, call: Any) -> Any:
        response, refused = outcome(call)
        self._routes.routed(route.line.name, call.code().name)
        if refused is None:
            return response
        if refused.code not in _NOT_THERE:
            raise Relayed(refused)
        if refused.code is grpc.StatusCode.UNAVAILABLE:
            route.line.doubt(f"{refused.code.name}: {refused.message}")
        return self._missed(route)

    def _missed(self, route: Route) -> Any:
        """Take note that a node did not answer; give what stands for its answer."""
        self._away.add(route.line.name)
        self._silent.add(route.pool)
        return None

    def _refuse_where_nobody_answers(self) -> None:
        if self._silent.issuperset(route.pool for route in self.present):
            raise PoolElsewhere(f"no node answers; away: {', '.join(sorted(self._away)) or 'none is known'}")


def _ascii(name: str) -> str:
    """Give a name as metadata can carry it."""
    return name.encode("ascii", "backslashreplace").decode()
