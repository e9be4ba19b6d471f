"""Lists over all nodes: node after node in the order of their pools, each with its own pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from rokcsi.model.errors import InvalidRequest
from rokcsi.switchboard.directory import Route
from rokcsi.switchboard.fan_out import FanOut, Question
from rokcsi.switchboard.page_tokens import Place, read_place

M = TypeVar("M", bound=Message)


def listed(request: Any, response: Any, nodes: FanOut, query: str) -> None:
    """Fill a List… response with the page that its request asks for; raise InvalidRequest, BadPageToken.

    What a node that is away holds is left out; `rokcsi-away` among the trailing metadata says so.
    """
    if request.max_entries < 0:
        raise InvalidRequest(f"max_entries is negative ({request.max_entries}); 0 means no limit")
    start = read_place(request.starting_token, query) if request.starting_token else None
    routes = [route for route in nodes.present if start is None or route.pool >= start.pool]
    if request.max_entries:
        place = _filled(request, response, nodes, routes, start)
        response.next_token = place.written(query) if place else ""
    else:
        for answer in nodes.ask([_question(request, route, start, 0) for route in routes]):
            response.entries.extend(answer.entries if answer else ())
    nodes.tell_who_is_away()


def _filled(request: Any, response: Any, nodes: FanOut, routes: Sequence[Route], start: Place | None) -> Place | None:
    """Fill one page; give where the next one begins, None where there is none."""
    for route in routes:
        wanted = request.max_entries - len(response.entries)
        # With the page full, one entry is asked for to see whether there is a next page.
        [answer] = nodes.ask([_question(request, route, start, wanted or 1)])
        if answer is None:
            continue
        if not wanted:
            if answer.entries:
                return Place(route.pool)
            continue
        response.entries.extend(answer.entries)
        if answer.next_token:
            return Place(route.pool, answer.next_token)
    return None


def _question(request: M, route: Route, start: Place | None, max_entries: int) -> Question:
    asked: Any = type(request)()
    asked.CopyFrom(request)
    asked.max_entries = max_entries
    asked.starting_token = start.token if start and start.pool == route.pool else ""
    return Question(route, asked)
