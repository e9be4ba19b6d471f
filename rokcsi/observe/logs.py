"""Structured logs: one event a line, with the request's id, and only fields that may be shown.

Anybody logs with the standard library: `getLogger(__name__).info("published", extra={"volume": handle})`.
A field that is not in FIELDS never reaches the output, so that secrets and the tokens in a
volume's context stay out whatever a caller passes. (structlog would cost the driver 10 MB.)
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

FIELDS = (
    "method",
    "status",
    "operation",
    "duration_seconds",
    "volume",
    "snapshot",
    "group",
    "node",
    "pool",
    "target",
    "endpoint",
    "members",
    "count",
    "size_bytes",
    "freeze_window_seconds",
    "filesystem",
    "signal",
    "reason",
    "error",
    "claim",
    "namespace",
    "instead_of",
    "what",
    "text",
)
_request: ContextVar[str] = ContextVar("rokcsi_request", default="")
_numbers = itertools.count(1)
_at_work: set[str] = set()


def current_request() -> str:
    """Give the id of the request at hand, empty outside of one."""
    return _request.get()


@contextmanager
def request(given: str = "", origin: str = "") -> Iterator[str]:
    """Give the present call (this thread's, this context's) a short id that all its log lines carry.

    `given` is the id that it had elsewhere; `origin` begins the one it gets where it had none.
    """
    number = f"{origin}r{next(_numbers):06d}"
    token = _request.set(given or number)
    _at_work.add(number)
    try:
        yield given or number
    finally:
        _at_work.discard(number)
        _request.reset(token)


def requests_at_work() -> int:
    """Give how many requests are being carried out now."""
    return len(_at_work)


def _shown(record: logging.LogRecord) -> dict[str, object]:
    found = {name: getattr(record, name) for name in FIELDS if getattr(record, name, None) is not None}
    return {"request": _request.get(), **found} if _request.get() else found


def _instant(record: logging.LogRecord) -> str:
    return dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLines(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the event as JSON: time, level, logger, event, then its fields."""
        line: dict[str, object] = {
            "time": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_shown(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextLines(logging.Formatter):
    """One line of `key=value` after the event, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the event as text; control characters of a value are escaped, so that one event stays one line."""
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _shown(record).items())
        line = f"{_instant(record)} {record.levelname.lower():7} {record.getMessage()}{fields}"
        return line + "\n" + self.formatException(record.exc_info) if record.exc_info else line


def _quoted(value: object) -> str:
    text = f"{value:.6f}" if isinstance(value, float) else str(value)
    return text if text.isprintable() and text and " " not in text else json.dumps(text)


def set_up_logs(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send the logs of the whole process to `stream` (standard error), `form` being `text` or `json`.

    What libraries say at `debug` stays out: the Kubernetes client has told whole answers there,
    and the answer to a review of a token has the token in it.
    """
    lines = logging.StreamHandler(stream or sys.stderr)
    lines.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [lines]
    ours = logging.getLogger("rokcsi")
    ours.setLevel(level.upper())
    root.setLevel(max(ours.level, logging.INFO))
