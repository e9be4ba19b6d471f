"""A catalogue in a file, and records to put into it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.catalog.opening import open_catalog
from rokcsi.catalog.sql import SqlCatalog
from rokcsi.model.cluster import PodVolume
from rokcsi.model.history import (
    Commit,
    Member,
    MemberRole,
    Notebook,
    Reason,
    ReasonKind,
    Task,
    TaskKind,
    TaskStatus,
    Version,
)
from rokcsi.model.pod_template import BorrowedFrom, BorrowedVariable, PodTemplate, PodUser
from rokcsi.model.runs import Attempt, ClonedVolume, MountedVolume, Run, Step, StepStatus
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency

BEGAN = dt.datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))
TEMPLATE = PodTemplate(
    "localhost/image:1",
    {"cpu": "500m"},
    {"nvidia.com/gpu": "1"},
    (
        BorrowedVariable(BorrowedFrom.SECRET, "s", "TOKEN", "k"),
        BorrowedVariable(BorrowedFrom.CONFIG_MAP, "c", prefix="C_"),
    ),
    PodUser(1000, 100, 100, (7,), never_root=True),
    "default-editor",
)
ODD = "naïve ✓ 𝄞 \n 'quoted\" \\ %_ \x01"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    opened = open_catalog(tmp_path / "home" / "catalog.sqlite")
    yield opened
    opened.close()


def at(minute: int) -> dt.datetime:
    return BEGAN + dt.timedelta(minutes=minute)


def version(minute: int = 0, **changes: object) -> Version:
    member = Member(
        "lab_work", "work", "lab-work", "s-1", Bytes(1 << 40), "xfs", "/work", MemberRole.WORKSPACE, readonly=True
    )
    other = Member("lab_data", "data", "lab-data", "s-2", Bytes(5), "ext4", "/data", MemberRole.DATASET)
    reason = Reason(
        ReasonKind.STEP_AFTER,
        "r-1",
        "train",
        2,
        -9,
        ("python", ODD),
        {"A": ODD, "B": ""},
        "/work",
        Commit("c" * 40, ODD, ODD, "who", modified=None),
        TEMPLATE,
    )
    fields: dict[str, object] = {
        "id": str(uuid.uuid4()),
        "bucket": "notebooks",
        "object": "lab",
        "created_at": at(minute),
        "reason": reason,
        "title": ODD,
        "message": ODD,
        "author": ODD,
        "members": (member, other),
        "cut_name": "cut-1",
        "cut": "g-1",
        "claims": ("lab-work", "lab-data"),
        "freeze_window_seconds": 0.00125,
        "consistency": Consistency.CRASH,
        "completed_steps": ("load",),
        "concurrent_steps": ("other", "third"),
        "late": True,
    }
    return Version(**{**fields, **changes})  # type: ignore[arg-type]  # the fields are above


def task(minute: int = 0, **changes: object) -> Task:
    fields: dict[str, object] = {
        "id": str(uuid.uuid4()),
        "kind": TaskKind.CHECKPOINT,
        "bucket": "notebooks",
        "object": "lab",
        "subject": "v",
        "created_at": at(minute),
        "updated_at": at(minute),
        "status": TaskStatus.RUNNING,
        "progress": 40,
        "message": ODD,
        "owner": "me",
    }
    return Task(**{**fields, **changes})  # type: ignore[arg-type]  # the fields are above


def notebook(name: str = "lab", minute: int = 0) -> Notebook:
    volumes = (PodVolume("work", f"{name}-work", "/work"), PodVolume("data", f"{name}-data", "/data", readonly=True))
    return Notebook(name, volumes, at(minute), {"A": ODD}, "/work", "python3.11", "v-1", task="t-1")


def run(id: str = "r-1", minute: int = 0) -> Run:
    volume = ClonedVolume("create-volume-1", "work", f"{id}-1", "/work", "s-1", readonly=True, seconds=0.5)
    attempt = Attempt(
        1,
        "pod",
        StepStatus.FAILED,
        3,
        at(1),
        at(2),
        "v-1",
        "v-2",
        ("python", ODD),
        {"A": ODD},
        "/work",
        (MountedVolume("work", f"{id}-1", "/work", cloned_as="create-volume-1", snapshot="s-1", volume="v-1"),),
        "/log",
        ODD,
        ODD,
        "uid-1",
        TEMPLATE,
    )
    steps = (
        Step("z-first", (), StepStatus.FAILED, (attempt,), ODD),
        Step("a-second", ("z-first",), StepStatus.SKIPPED),
    )
    return Run(
        id,
        "digits",
        "lab",
        at(minute),
        origin="v-0",
        leg=2,
        definition=ODD,
        parameters={"P": ODD},
        environment={"A": ODD},
        working_directory="/work",
        volumes=(volume,),
        steps=steps,
        marshal_directory="/work/.m",
        author=ODD,
        task="t-1",
    )
