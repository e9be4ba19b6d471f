"""Events as the API server takes them, for whatever object they are about."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rokcsi.kube.following import Object
from rokcsi.model.claims import Notice

_LONGEST_TEXT = 1024  # bytes that the API takes
_LONGEST_NAME = 200  # letters of the object's name, so that there is room for what makes the event's its own


def event_name(about: str, own: str) -> str:
    """Give an Event's name, by that of the object that it is about; the API server takes no part that ends in a dash."""
    return f"{about[:_LONGEST_NAME].rstrip('-.')}.{own}"


def event(name: str, about: Object, kind: str, notice: Notice, component: str) -> dict[str, Any]:
    """Give an Event of a kind (`Normal`, `Warning`), in the namespace of the object that it is about."""
    return {
        "metadata": {"name": name, "namespace": about["namespace"]},
        "involvedObject": {"apiVersion": "v1", **about},
        "type": kind,
        "reason": notice.reason,
        "message": shortened(notice.text),
        "firstTimestamp": written(notice.first),
        "lastTimestamp": written(notice.last),
        "count": notice.count,
        "source": {"component": component},
    }


def written(time: dt.datetime) -> str:
    """Give an instant as the API server reads it."""
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shortened(text: str) -> str:
    """Give as much of a text as the API server takes."""
    return text.encode()[:_LONGEST_TEXT].decode(errors="ignore")
