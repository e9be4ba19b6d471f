"""The directory: who serves which pool, as the nodes themselves announce it.

Whoever looks something up pays for what is not known yet: then every line is asked again
(once a second at most) before the answer is "away", "nowhere" or "unknown".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rokcsi.csi.announcement import Announcement
from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import NodeBusy, NodeForgotten, PoolDisputed, PoolElsewhere
from rokcsi.model.ids import PoolId
from rokcsi.model.roster import NodeAddress, Roster
from rokcsi.switchboard.line import ASK_SECONDS, Line

T = TypeVar("T")
OpenLine = Callable[[NodeAddress, Callable[[], None]], Line]


@dataclass(frozen=True, slots=True)
class Route:
    """A line, with what its node had announced when the line was chosen."""

    line: Line
    announcement: Announcement

    @property
    def pool(self) -> PoolId:
        """Give the pool at its end."""
        return self.announcement.pool


class Directory:
    """Safe for many threads; keeps one line for each address of the roster.

    `places` is how many calls may wait at once for nodes to say who they are: the rest of the
    workers is there for those whose node is known. Whoever finds no place hears NodeBusy.
    """

    def __init__(self, roster: Roster, open_line: OpenLine, places: int) -> None:
        self._roster = roster
        self._open = open_line
        self._places = threading.BoundedSemaphore(places)
        self._news = threading.Condition()
        self._lines: dict[NodeAddress, Line] = {}
        self._left: dict[PoolId, Route] = {}
        self._addresses: Collection[NodeAddress] | None = None

    def of_pool(self, pool: PoolId) -> Route:
        """Give the way to a pool; raise PoolElsewhere where no node answers for it, NodeForgotten, PoolDisputed, NodeBusy."""
        route = self._sought(lambda: self._answering(pool))
        if route is not None:
            return route
        self._refuse_disputed(pool)
        if pool in self._roster.forgotten():
            raise NodeForgotten(f"the pool {pool} was on a node that is gone for good")
        raise PoolElsewhere(f"no node answers for the pool {pool}; {self._who_is_away(pool)}")

    def node_of(self, pool: PoolId) -> str:
        """Give what people call the node of a pool, be it away; the pool's id where no node was ever heard to have it."""
        return next((line.name for line in self._present() if _has(line, pool)), pool)

    def at(self, segments: Mapping[str, str]) -> Sequence[Route]:
        """Give every node within a place, those that are away too; new lines are waited for, and all asked before it is none.

        Where there is none, give the one that was there before it left the roster, if a place is named.
        """
        self._sought(lambda: self._within(segments) if self._all_were_asked() else None)
        return self._within(segments) or self._left_behind(segments)

    def answering(self) -> Sequence[Route]:
        """Give the way to every pool that is served now, in the order of their ids; new lines are waited for."""
        self._sought(self._all_were_asked)
        for line in self._present():
            if line.heard.why_away:
                line.ask()
        pools = sorted({told.pool for line in self._present() if (told := line.heard.current)})
        return [route for pool in pools if (route := self._answering(pool)) is not None]

    def known(self) -> Sequence[Line]:
        """Give the lines whose node has announced itself and answers, as far as is known without asking."""
        return [line for line in self._present() if line.heard.current]

    def away(self) -> Sequence[Line]:
        """Give the lines on which nobody answers."""
        return [line for line in self._present() if line.heard.why_away]

    def strangers(self) -> Sequence[Line]:
        """Give the lines on which nobody has ever announced anything."""
        return [line for line in self._present() if line.heard.announcement is None]

    def place_keys(self) -> Collection[str]:
        """Give the topology keys of the nodes that have announced themselves, in lower case."""
        told = (line.heard.announcement for line in self._present())
        return {key.lower() for each in told if each for key in each.driver.segments}

    def refresh(self) -> None:
        """Take over what the roster says now, and ask who is new; waits for no answer."""
        if self._roster.addresses() is self._addresses:
            return
        with self._news:
            self._addresses = self._roster.addresses()  # read once more, so that nothing older comes after it
            wanted = set(self._addresses)
            gone = [line for where, line in self._lines.items() if where not in wanted]
            new = {where: self._open(where, self._heard) for where in wanted - set(self._lines)}
            # Put in place as a whole: others are reading it.
            self._lines = {where: line for where, line in {**self._lines, **new}.items() if where in wanted}
            left = {told.pool: Route(line, told) for line in gone if (told := line.heard.announcement)}
            self._left = {**self._left, **left}
        for line in gone:
            line.retire()
        for line in new.values():
            line.ask()

    def close(self) -> None:
        """Give up all lines."""
        for line in self._lines.values():
            line.retire()

    def _sought(self, find: Callable[[], T | None]) -> T | None:
        """Give what `find` finds, at once or after every line was asked again and while answers come in."""
        self.refresh()
        found = find()
        if found:
            return found
        for line in self._present():
            line.ask()
        if not self._places.acquire(blocking=False):
            raise NodeBusy("too many calls wait for nodes to say who they are; try again")
        try:
            return self._awaited(find)
        finally:
            self._places.release()

    def _awaited(self, find: Callable[[], T | None]) -> T | None:
        """Give what `find` finds while answers come in."""
        until = time.monotonic() + _patience()
        with self._news:
            while not (found := find()) and any(line.is_being_asked for line in self._present()):
                if not self._news.wait(until - time.monotonic()):
                    break
        return found

    def _all_were_asked(self) -> bool:
        return all(line.has_been_asked for line in self._present())

    def _heard(self) -> None:
        with self._news:
            self._news.notify_all()

    def _present(self) -> Collection[Line]:
        return self._lines.values()

    def _answering(self, pool: PoolId) -> Route | None:
        """Give the way to a pool; none where two nodes claim it, so that both are asked again."""
        claims = self._claims(pool)
        if len(_names(claims)) > 1:
            return None
        return max(claims, key=lambda route: route.line.heard.at, default=None)

    def _refuse_disputed(self, pool: PoolId) -> None:
        names = _names(self._claims(pool))
        if len(names) > 1:
            raise PoolDisputed(
                f"the nodes {' and '.join(sorted(names))} both announce the pool {pool};"
                " nothing is sent to either until one of them is stopped"
            )

    def _claims(self, pool: PoolId) -> Sequence[Route]:
        routes = (Route(line, told) for line in self._present() if (told := line.heard.current))
        return [route for route in routes if route.pool == pool]

    def _within(self, segments: Mapping[str, str]) -> Sequence[Route]:
        routes = [Route(line, told) for line in self._present() if (told := line.heard.announcement)]
        return [route for route in routes if route.announcement.driver.reached_from(segments)]

    def _left_behind(self, segments: Mapping[str, str]) -> Sequence[Route]:
        """Give who was at a place and is announced nowhere now: a driver that begins anew is out of the roster for a moment."""
        here = {told.pool for line in self._present() if (told := line.heard.announcement)}
        were = [route for pool, route in self._left.items() if segments and pool not in here]
        were = [route for route in were if route.announcement.driver.reached_from(segments)]
        forgotten = self._roster.forgotten() if were else ()
        return [route for route in were if route.pool not in forgotten]

    def _who_is_away(self, pool: PoolId) -> str:
        silent = [line for line in self._present() if _has(line, pool)] or self.away()
        if not silent:
            return f"if its node is gone for good: rokctl node forget {pool}"
        return "away: " + "; ".join(f"{line.name}, {line.heard.why_away}" for line in silent)


def _has(line: Line, pool: PoolId) -> bool:
    """Tell whether the node on a line has announced a pool, be it away since."""
    announcement = line.heard.announcement
    return announcement is not None and announcement.pool == pool


def _names(claims: Sequence[Route]) -> set[str]:
    return {route.announcement.driver.node_id for route in claims}


def _patience() -> float:
    remaining = current_deadline().remaining_seconds()
    return ASK_SECONDS if remaining is None else min(ASK_SECONDS, remaining)
