"""The doors of a node: one question for each end of a pod's visit, one deadline, and what follows when nobody answers.

A question that was answered, or given up for good, is not asked again while the pod has a
volume here. A timeline that cannot be reached is left alone for some seconds by volumes
that did not ask for checkpoints themselves, so that it keeps nobody waiting.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from rokcsi.model.deadline import current_deadline
from rokcsi.model.doorkeeper import Doorkeeper, Passage, PodAtDoor, Side
from rokcsi.model.errors import NodeBusy, TimelineAway, Unavailable
from rokcsi.system.locks import KeyedLocks

LEFT_ALONE_SECONDS = 5.0
_MOST_REMEMBERED = 8192
_log = logging.getLogger(__name__)


class FailurePolicy(StrEnum):
    """What becomes of a pod whose checkpoint was not taken in time."""

    IGNORE = "ignore"  # it goes on without
    FAIL = "fail"  # kubelet hears UNAVAILABLE, and comes again


@dataclass(frozen=True, slots=True)
class DoorRules:
    """How long is waited for one answer, what follows after that, and how many calls may wait at once."""

    seconds: float = 10.0
    policy: FailurePolicy = FailurePolicy.IGNORE
    most_waiting: int = 32


class Waits(Protocol):
    """Whoever wants to know how long pods have waited; called from many threads."""

    def waited(self, side: Side, seconds: float, *, answered: bool) -> None:
        """Take note of one question to the timeline."""


class AskingDoors:
    """Asks a doorkeeper; safe for many threads. Calls for one pod and one side wait for the one answer."""

    def __init__(
        self,
        keeper: Doorkeeper,
        rules: DoorRules,
        clock: Callable[[], float] = time.monotonic,
        waits: Waits | None = None,
    ) -> None:
        self._keeper = keeper
        self._rules = rules
        self._clock = clock
        self._waits = waits
        self._turns = KeyedLocks(rules.most_waiting)
        self._places = threading.BoundedSemaphore(rules.most_waiting)
        self._answered: dict[tuple[str, Side], None] = {}
        self._left_alone_until = 0.0
        self._unanswered: set[str] = set()
        self._answered_since = dt.datetime.now(dt.UTC)

    def pass_in(self, facts: Mapping[str, str], volume: str, *, wanted: bool) -> None:
        """Ask before a volume is published; raise TimelineAway, CheckpointFailed where the policy says so, Busy."""
        self._pass(facts, Side.BEFORE, volume, wanted=wanted)

    def pass_out(self, facts: Mapping[str, str], volume: str, *, wanted: bool) -> None:
        """Ask before a volume is unpublished; raises as `pass_in`."""
        self._pass(facts, Side.AFTER, volume, wanted=wanted)

    def found(self, facts: Mapping[str, str]) -> None:
        """Take note of a pod that had volumes here before this process was; nobody knows whether it was answered for."""
        pod = PodAtDoor.of(facts)
        if pod is not None:
            self._unanswered.add(pod.uid)

    def gone(self, facts: Mapping[str, str]) -> None:
        """Forget a pod that has no volume left here."""
        pod = PodAtDoor.of(facts)
        if pod is None:
            return
        for side in Side:
            self._answered.pop((pod.uid, side), None)
        if pod.uid in self._unanswered:
            self._answered_since = dt.datetime.now(dt.UTC)
            self._unanswered.discard(pod.uid)

    def _pass(self, facts: Mapping[str, str], side: Side, volume: str, *, wanted: bool) -> None:
        pod = PodAtDoor.of(facts)
        if pod is None or (pod.uid, side) in self._answered:
            return
        with self._turns.held([f"{pod.uid} {side}"]):
            if (pod.uid, side) not in self._answered:
                since = None if self._unanswered else self._answered_since
                self._ask(Passage(pod, side, volume, since), wanted=wanted)

    def _ask(self, passage: Passage, *, wanted: bool) -> None:
        if not wanted and self._clock() < self._left_alone_until:
            self._unanswered.add(passage.pod.uid)
            return
        if not self._places.acquire(blocking=False):
            raise NodeBusy("too many pods wait for the timeline at this moment; try again")
        try:
            self._asked(passage, patient=wanted)
        except Unavailable as error:
            if not self._given_up(passage, error, wanted=wanted):
                return
        finally:
            self._places.release()
        self._remember(passage)

    def _asked(self, passage: Passage, *, patient: bool) -> None:
        began, answered = self._clock(), False
        try:
            self._keeper.asked(passage, self._seconds(), patient=patient)
            answered = True
        finally:
            if self._waits is not None:
                self._waits.waited(passage.side, self._clock() - began, answered=answered)

    def _given_up(self, passage: Passage, error: Unavailable, *, wanted: bool) -> bool:
        """Follow the policy: raise, or tell whether the question is never to be asked again."""
        self._unanswered.add(passage.pod.uid)
        away = isinstance(error, TimelineAway)
        if away:
            self._left_alone_until = self._clock() + LEFT_ALONE_SECONDS
        if away and not wanted:
            return False
        if self._rules.policy is FailurePolicy.FAIL:
            raise error
        fields = {"volume": passage.volume, "operation": f"checkpoint {passage.side} {passage.pod.uid}"}
        _log.warning("goes on without its checkpoint", extra={**fields, "error": str(error)})
        return True

    def _seconds(self) -> float:
        left = current_deadline().remaining_seconds()
        return self._rules.seconds if left is None else min(self._rules.seconds, left)

    def _remember(self, passage: Passage) -> None:
        self._answered[passage.pod.uid, passage.side] = None
        while len(self._answered) > _MOST_REMEMBERED:  # pods whose publishes all failed are never seen to go
            self._answered.pop(next(iter(self._answered)), None)
