"""Turns records into rows and rows into records; nothing else knows how a record is laid out in columns."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from rokcsi.model.cluster import PodVolume
from rokcsi.model.history import (
    Commit,
    Member,
    MemberRole,
    Notebook,
    NotebookState,
    Reason,
    ReasonKind,
    Task,
    TaskKind,
    TaskStatus,
    Version,
    VersionState,
)
from rokcsi.model.pod_template import BorrowedFrom, BorrowedVariable, PodTemplate, PodUser
from rokcsi.model.runs import Attempt, ClonedVolume, MountedVolume, Run, RunStatus, Step, StepStatus
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency

Columns = dict[str, Any]
Row = Mapping[Any, Any]


def version_columns(version: Version) -> Columns:
    """Give the row of a version, without its members."""
    reason = version.reason
    commit = None if reason.commit is None else dataclasses.asdict(reason.commit)
    return _plain(version, "reason", "members", "command", "environment") | {
        "reason": str(reason.kind),
        "run": reason.run,
        "step": reason.step,
        "attempt": reason.attempt,
        "exit_status": reason.exit_status,
        "command": list(reason.command),
        "environment": dict(reason.environment),
        "working_directory": reason.working_directory,
        "commit": commit,
        "template": _template_column(reason.template),
    }


def version_of(row: Row, members: Sequence[Row]) -> Version:
    """Read a version."""
    reason = Reason(
        kind=ReasonKind(row["reason"]),
        run=row["run"],
        step=row["step"],
        attempt=row["attempt"],
        exit_status=row["exit_status"],
        command=tuple(row["command"]),
        environment=row["environment"],
        working_directory=row["working_directory"],
        commit=None if row["commit"] is None else Commit(**row["commit"]),
        template=_template_of(row["template"]),
    )
    return Version(
        reason=reason,
        members=tuple(_member_of(member) for member in members),
        state=VersionState(row["state"]),
        claims=tuple(row["claims"]),
        consistency=Consistency(row["consistency"]),
        completed_steps=tuple(row["completed_steps"]),
        concurrent_steps=tuple(row["concurrent_steps"]),
        **_same(row, *_VERSION_SAME),
    )


_VERSION_SAME = (
    *("id", "bucket", "object", "created_at", "title", "message", "author", "cut_name", "cut"),
    *("same_cut_as", "parent", "task", "freeze_window_seconds", "pinned", "late"),
)


def member_columns(version: str, position: int, member: Member) -> Columns:
    """Give the row of a member."""
    return _plain(member) | {"version": version, "position": position, "size": int(member.size)}


def _member_of(row: Row) -> Member:
    return Member(
        size=Bytes(row["size"]),
        role=MemberRole(row["role"]),
        consistency=Consistency(row["consistency"]),
        **_same(row, "object", "volume", "claim", "snapshot", "filesystem", "mount_path", "readonly"),
    )


def task_columns(task: Task) -> Columns:
    """Give the row of a task."""
    return _plain(task)


def task_of(row: RowMapping) -> Task:
    """Read a task."""
    same = ("id", "bucket", "object", "subject", "created_at", "updated_at", "progress", "message", "owner")
    return Task(kind=TaskKind(row["kind"]), status=TaskStatus(row["status"]), **_same(row, *same))


def notebook_columns(notebook: Notebook) -> Columns:
    """Give the row of a notebook."""
    return _plain(notebook) | {"volumes": [dataclasses.asdict(volume) for volume in notebook.volumes]}


def notebook_of(row: RowMapping) -> Notebook:
    """Read a notebook."""
    same = ("name", "created_at", "environment", "working_directory", "image", "restored_from", "task")
    volumes = tuple(PodVolume(**volume) for volume in row["volumes"])
    return Notebook(volumes=volumes, state=NotebookState(row["state"]), **_same(row, *same))


def run_columns(run: Run) -> Columns:
    """Give the row of a run, without its steps."""
    return _plain(run, "steps") | {"volumes": [dataclasses.asdict(volume) for volume in run.volumes]}


def run_of(row: RowMapping, steps: Sequence[RowMapping], attempts: Sequence[RowMapping]) -> Run:
    """Read a run with its steps and attempts."""
    same = (
        *("id", "pipeline", "notebook", "created_at", "message", "origin", "leg", "definition", "parameters"),
        *("environment", "working_directory", "marshal_directory", "author", "finished_at", "task"),
        "idle_seconds",
    )
    of_step: dict[str, list[RowMapping]] = defaultdict(list)
    for attempt in attempts:
        of_step[attempt["step"]].append(attempt)
    return Run(
        status=RunStatus(row["status"]),
        volumes=tuple(ClonedVolume(**volume) for volume in row["volumes"]),
        steps=tuple(_step_of(step, of_step[step["name"]]) for step in steps),
        **_same(row, *same),
    )


def step_columns(run: str, step: Step) -> Columns:
    """Give the row of a step, without its position and its attempts."""
    return _plain(step, "attempts") | {"run": run}


def _step_of(row: RowMapping, attempts: Sequence[RowMapping]) -> Step:
    return Step(
        name=row["name"],
        needs=tuple(row["needs"]),
        status=StepStatus(row["status"]),
        attempts=tuple(attempt_of(attempt) for attempt in attempts),
        message=row["message"],
    )


def attempt_columns(run: str, step: str, attempt: Attempt) -> Columns:
    """Give the row of an attempt."""
    mounts = [dataclasses.asdict(mount) for mount in attempt.mounts]
    template = _template_column(attempt.template)
    return _plain(attempt) | {"run": run, "step": step, "mounts": mounts, "template": template}


def attempt_of(row: RowMapping) -> Attempt:
    """Read an attempt."""
    same = (
        *("number", "pod", "exit_status", "started_at", "finished_at", "before", "after", "environment"),
        *("working_directory", "log", "log_tail", "message", "pod_uid"),
    )
    return Attempt(
        status=StepStatus(row["status"]),
        command=tuple(row["command"]),
        mounts=tuple(MountedVolume(**mount) for mount in row["mounts"]),
        template=_template_of(row["template"]),
        **_same(row, *same),
    )


def _template_column(template: PodTemplate | None) -> Columns | None:
    return None if template is None else dataclasses.asdict(template)


def _template_of(column: Columns | None) -> PodTemplate | None:
    if column is None:
        return None
    borrowed = (BorrowedVariable(**{**each, "kind": BorrowedFrom(each["kind"])}) for each in column["borrowed"])
    user = PodUser(**{**column["user"], "groups": tuple(column["user"]["groups"])})
    return PodTemplate(**{**column, "borrowed": tuple(borrowed), "user": user})


def _same(row: Row, *names: str) -> Columns:
    return {name: row[name] for name in names}


def _plain(record: Any, *without: str) -> Columns:
    """Give a record's fields as plain values: enumerations as text, tuples as lists, mappings as dicts."""
    names = [field.name for field in dataclasses.fields(record) if field.name not in without]
    return {name: _value(getattr(record, name)) for name in names}


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, str) else value
