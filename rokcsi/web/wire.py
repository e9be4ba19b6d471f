"""Versions as JSON, the same on both sides of the line, and refusals read back: a version is laid out as its row in the catalogue."""

from __future__ import annotations

import datetime as dt

from rokcsi.catalog import rows
from rokcsi.model import errors
from rokcsi.model.history import Version
from rokcsi.web.exchange import Document


def written(version: Version) -> Document:
    """Give a version as JSON."""
    columns = rows.version_columns(version)
    members = [rows.member_columns(version.id, place, member) for place, member in enumerate(version.members)]
    return columns | {"created_at": version.created_at.isoformat(), "members": members}


def read(document: Document) -> Version:
    """Read what `written` gave; raise NotSupported for anything else."""
    try:
        row = document | {"created_at": dt.datetime.fromisoformat(document["created_at"])}
        return rows.version_of(row, document["members"])
    except (KeyError, TypeError, ValueError, errors.RokcsiError) as error:
        raise errors.NotSupported(
            f"the timeline tells of a checkpoint in other words than this rokctl knows ({error}); have the same version of both"
        ) from error


def raised(document: Document, status: int) -> errors.RokcsiError:
    """Give the error that `refused` wrote; one of another kind where somebody else has answered."""
    families = {each.__name__: each for each in errors.RokcsiError.__subclasses__()}
    family = families.get(str(document.get("error")))
    message = str(document.get("message") or f"HTTP status {status}")
    if family is not None:
        return family(message)
    if status in {401, 403}:
        return errors.NotAllowed(f"the cluster refuses: {message}")
    if status == 404:  # noqa: PLR2004 - HTTP's own number
        return errors.TimelineAway(f"there is no timeline that answers people: {message}; see checkpoints.enabled")
    return errors.TimelineAway(f"the timeline does not answer: {message}")
