"""A request and its answer, as every door of ours sees them: HTTP without its wire, JSON without its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from rokcsi.model import errors

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: `token` is what the asker shows, `body` JSON or nothing."""

    method: str
    path: str
    token: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status of HTTP, and JSON."""

    status: int
    document: Document


class Answers(Protocol):
    """A door: whatever is asked, it answers, and never raises."""

    def answer(self, asked: Asked) -> Answer:
        """Give what is answered."""


def refused(error: errors.RokcsiError) -> Document:
    """Give an error by its family and its words."""
    family = next((each for each in type(error).__mro__ if errors.RokcsiError in each.__bases__), errors.RokcsiError)
    return {"error": family.__name__, "message": str(error)}
