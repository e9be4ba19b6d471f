"""From the labels of a cut's snapshots back to the version that they are of. Called by `rebuild`.

Labels are read as a stranger's: whatever is wrong with them raises InvalidRequest, and harms nobody.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rokcsi.model.cluster import LabelledCut, LabelledSnapshot
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.history import Commit, Member, MemberRole, Reason, ReasonKind, Version
from rokcsi.model.mount_paths import mount_path_problem
from rokcsi.pipeline.checkpoint import cut_name_of, weakest
from rokcsi.pipeline.labels import read_label
from rokcsi.pipeline.titles import step_title


@dataclass(frozen=True, slots=True)
class ReadVersion:
    """A version read from its labels; `before` is the one before its step, without members: it rests on another's cut."""

    version: Version
    before: Version | None = None


def is_checkpoint(cut: LabelledCut) -> bool:
    """Tell whether anything says that a cut is a checkpoint; others may be cut by anybody."""
    return any("rok/version" in snapshot.labels for snapshot in cut.snapshots)


def read_version(cut: LabelledCut) -> ReadVersion:
    """Read the version that a cut was made for; raise InvalidRequest, where its labels are incomplete or wrong."""
    try:
        version = _version(cut)
        return ReadVersion(version, _before(version, cut.snapshots[0].labels))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"its labels cannot be read: {error!s:.128}") from error


def _version(cut: LabelledCut) -> Version:
    labels = cut.snapshots[0].labels
    id_, count = _needed(labels, "version")
    bucket, filed_under = _texts(_needed(labels, "filed"))
    members = _members(cut.snapshots, filed_under)
    if len(members) != count:
        raise ValueError(f"{len(members)} of its {count} snapshots are there")
    completed, concurrent = read_label(labels, "completed") or ([], [])
    return Version(
        id=_id(id_),
        bucket=bucket,
        object=filed_under,
        created_at=cut.created_at,
        reason=_reason(labels),
        title=_text(read_label(labels, "title") or ""),
        message=_text(read_label(labels, "message") or ""),
        author=_text(read_label(labels, "author") or ""),
        members=members,
        cut_name=cut_name_of(_id(id_)),
        cut=cut.handle,
        claims=tuple(member.claim for member in members),
        parent=_id_or_none(read_label(labels, "parent")),
        freeze_window_seconds=max(snapshot.freeze_window_seconds for snapshot in cut.snapshots),
        consistency=weakest(members),
        completed_steps=_texts(completed),
        concurrent_steps=_texts(concurrent),
    )


def _members(snapshots: Sequence[LabelledSnapshot], filed_under: str) -> tuple[Member, ...]:
    found = sorted((_needed(snapshot.labels, "member"), snapshot) for snapshot in snapshots)
    if [label[0] for label, _ in found] != list(range(len(found))):
        raise ValueError("its snapshots do not say which volume each is of")
    return tuple(_member(label, snapshot, filed_under) for label, snapshot in found)


def _member(label: Sequence[Any], snapshot: LabelledSnapshot, filed_under: str) -> Member:
    place, readonly = label[0], label[5]
    volume, claim, filesystem, mount_path = _texts(label[1:5])
    if filesystem not in (*FILESYSTEMS, "") or mount_path_problem(mount_path) is not None:
        raise ValueError(f"the volume {volume!r:.64} cannot be mounted as they say")
    return Member(
        object=f"{filed_under}_{volume}",
        volume=volume,
        claim=claim,
        snapshot=snapshot.snapshot,
        size=snapshot.size,
        filesystem=filesystem,
        mount_path=mount_path,
        role=MemberRole.WORKSPACE if place == 0 else MemberRole.DATASET,
        readonly=bool(readonly),
        consistency=snapshot.consistency,
    )


def _reason(labels: Mapping[str, str]) -> Reason:
    kind, run, step, attempt, status = read_label(labels, "reason") or (ReasonKind.MANUAL, None, None, None, None)
    commit, directory = read_label(labels, "commit"), read_label(labels, "directory")
    return Reason(
        kind=ReasonKind(kind),
        run=_text_or_none(run),
        step=_text_or_none(step),
        attempt=None if attempt is None else int(attempt),
        exit_status=None if status is None else int(status),
        working_directory=_text_or_none(directory),
        commit=None if commit is None else _commit(*commit),
    )


def _commit(id: object, title: object, author: object, modified: object) -> Commit:
    known = None if modified is None else bool(modified)
    return Commit(_text(id), title=_text(title), author=_text(author), modified=known)


def _before(version: Version, labels: Mapping[str, str]) -> Version | None:
    label = read_label(labels, "before")
    if label is None:
        return None
    id_, rests_on, taken_at, completed = label
    reason = replace(version.reason, kind=ReasonKind.STEP_BEFORE, exit_status=None)
    return replace(
        version,
        id=_id(id_),
        created_at=dt.datetime.fromisoformat(taken_at).astimezone(dt.UTC),
        reason=reason,
        title=step_title(reason.step or "", reason.attempt or 1, reason.kind, None),
        members=(),
        cut=None,
        cut_name=cut_name_of(_id(rests_on)),
        same_cut_as=_id(rests_on),
        parent=_id(rests_on),
        completed_steps=_texts(completed),
        concurrent_steps=(),
    )


def _needed(labels: Mapping[str, str], key: str) -> Any:
    found = read_label(labels, key)
    if found is None:
        raise ValueError(f"the pool had no room for rok/{key}")
    return found


def _id(text: object) -> str:
    return str(uuid.UUID(_text(text)))


def _id_or_none(text: object) -> str | None:
    return None if text is None else _id(text)


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise TypeError(f"{found!r:.64} where a text is meant")
    return found


def _text_or_none(found: object) -> str | None:
    return None if found is None else _text(found)


def _texts(found: Sequence[object]) -> tuple[str, ...]:
    return tuple(_text(each) for each in found)
