"""What the snapshots of a checkpoint say of it: enough to file it again when the catalogue is lost.

Written in the same deed as the cut, read by `rebuild`. A pool may have room for the first of
them only, so they stand in the order of what a restore needs most. What may hold secrets
(environments, commands) is not among them: others than the catalogue's owner may read labels.

    rok/member     of each snapshot its own: place, volume, claim, file system, mount path, read-only
    rok/version    the version's id, how many members it has
    rok/filed      bucket, object
    rok/reason     kind, run, step, attempt, exit status
    rok/parent     the version before
    rok/completed  the steps that had succeeded, those that were running
    rok/before     after a step: the version before it that rests on the cut of another; id, that other, when, completed steps
    rok/title  rok/author  rok/directory  rok/commit  rok/message
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rokcsi.model.cluster import CutLabels
from rokcsi.model.history import Member, Version

_PREFIX = "rok/"
_LONGEST_BYTES = 1024


def labels_of(version: Version, members: Sequence[Member], before: Version | None) -> CutLabels:
    """Give the labels of a checkpoint that is about to be cut; `before` as in `rok/before`."""
    own = {member.claim: _written({"member": _of_member(place, member)}) for place, member in enumerate(members)}
    return CutLabels(own, _written(_of_version(version, len(members)) | _of_before(before) | _of_words(version)))


def _of_member(place: int, member: Member) -> list[Any]:
    return [place, member.volume, member.claim, member.filesystem, member.mount_path, int(member.readonly)]


def _of_version(version: Version, members: int) -> dict[str, Any]:
    reason = version.reason
    return {
        "version": [version.id, members],
        "filed": [version.bucket, version.object],
        "reason": [str(reason.kind), reason.run, reason.step, reason.attempt, reason.exit_status],
        "parent": version.parent,
        "completed": [list(version.completed_steps), list(version.concurrent_steps)],
    }


def _of_before(before: Version | None) -> dict[str, Any]:
    if before is None:
        return {}
    taken_at = before.created_at.astimezone(dt.UTC).isoformat()
    return {"before": [before.id, before.same_cut_as, taken_at, list(before.completed_steps)]}


def _of_words(version: Version) -> dict[str, Any]:
    commit = version.reason.commit
    return {
        "title": version.title,
        "author": version.author,
        "directory": version.reason.working_directory,
        "commit": None if commit is None else [commit.id, commit.title, commit.author, commit.modified],
        "message": version.message,
    }


def _written(content: Mapping[str, Any]) -> dict[str, str]:
    """Write what is not empty, and not longer than anybody has room for."""
    texts = {
        _PREFIX + key: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for key, value in content.items()
        if value and value != [[], []]
    }
    return {key: text for key, text in texts.items() if len(text.encode(errors="replace")) <= _LONGEST_BYTES}


def read_label(labels: Mapping[str, str], key: str) -> Any:
    """Give what a label says, None where it is not there; raise ValueError."""
    text = labels.get(_PREFIX + key)
    return None if text is None else json.loads(text)
