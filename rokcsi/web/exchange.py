"""A request and its answer, as every door of ours sees them: HTTP without its wire, JSON without its text."""

from __future__ import annotations

import json
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

    def document(self) -> Document:
        """Give the JSON object that the body is, an empty one where there is none; raise InvalidRequest."""
        try:
            document = json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise errors.InvalidRequest(f"this is no JSON: {error}") from error
        if not isinstance(document, dict):
            raise errors.InvalidRequest("a JSON object is wanted")
        return document


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
