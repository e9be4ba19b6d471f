"""What is put into the catalogue comes out as it was, in order, and only what is there."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import pytest

from rokcsi.catalog.sql import SqlCatalog
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import InvalidRequest, RecordExists, RecordNotFound, StillInUse
from rokcsi.model.history import NotebookState, TaskStatus, VersionState
from rokcsi.model.runs import FiledAttempt, RunStatus, Step, StepStatus
from tests.unit.catalog.conftest import ODD, at, notebook, run, task, version


def test_a_version_comes_out_as_it_was(catalog: SqlCatalog) -> None:
    kept = version()
    catalog.versions.add(kept)
    assert catalog.versions.get(kept.id) == kept
    assert catalog.versions.get(kept.id).created_at.tzinfo is not None
    changed = dataclasses.replace(kept, pinned=True, state=VersionState.DELETING, members=kept.members[:1])
    catalog.versions.save(changed)
    assert catalog.versions.get(kept.id) == changed


def test_a_version_without_members_or_commit_comes_out_as_it_was(catalog: SqlCatalog) -> None:
    kept = version(members=(), cut=None, claims=())
    kept = dataclasses.replace(kept, reason=dataclasses.replace(kept.reason, commit=None, exit_status=None))
    catalog.versions.add(kept)
    assert catalog.versions.get(kept.id) == kept


def test_versions_are_listed_by_age_and_by_what_is_asked(catalog: SqlCatalog) -> None:
    late, early = version(5), version(1)
    other, taking = version(3, object="other"), version(4, state=VersionState.TAKING)
    for one in (late, early, other, taking):
        catalog.versions.add(one)
    assert catalog.versions.list(VersionFilter()) == [early, other, late]
    assert catalog.versions.list(VersionFilter(object="lab")) == [early, late]
    assert catalog.versions.list(VersionFilter(bucket="nothing")) == []
    assert len(catalog.versions.list(VersionFilter(run="r-1", state=None))) == 4
    assert catalog.versions.list(VersionFilter(state=VersionState.TAKING)) == [taking]
    assert len(catalog.versions.sharing("cut-1")) == 4


def test_a_version_is_found_by_the_beginning_of_its_id(catalog: SqlCatalog) -> None:
    first = version(id="aaaaaaaa-0000-4000-8000-000000000001")
    second = version(id="aaaaaaaa-0000-4000-8000-000000000002")
    taking = version(id="bbbbbbbb-0000-4000-8000-000000000000", state=VersionState.TAKING)
    for one in (first, second, taking):
        catalog.versions.add(one)
    assert catalog.versions.find(first.id) == first
    with pytest.raises(InvalidRequest, match="2 versions begin with 'aaaaaa'"):
        catalog.versions.find("aaaaaa")
    for unknown in ("cccccc", "bbbbbb", "%", "a_aaaa"):
        with pytest.raises(RecordNotFound):
            catalog.versions.find(unknown)


def test_buckets_and_objects_come_with_versions_and_objects_go_with_them(catalog: SqlCatalog) -> None:
    first, second = version(1), version(2)
    for one in (first, second, version(3, bucket="digits", object="r-1"), version(4, state=VersionState.TAKING)):
        catalog.versions.add(one)
    assert [(bucket.name, bucket.objects) for bucket in catalog.buckets.list()] == [("digits", 1), ("notebooks", 1)]
    (lab,) = catalog.buckets.objects("notebooks")
    assert (lab.name, lab.versions, lab.latest) == ("lab", 2, second.id)
    for one in catalog.versions.list(VersionFilter("notebooks", state=None)):
        catalog.versions.remove(one.id)
    assert catalog.buckets.objects("notebooks") == []
    with pytest.raises(StillInUse):
        catalog.buckets.remove("digits")
    catalog.buckets.remove("notebooks")
    with pytest.raises(RecordNotFound):
        catalog.buckets.objects("notebooks")


def test_a_bucket_can_be_made_twice(catalog: SqlCatalog) -> None:
    assert catalog.buckets.create(ODD) == catalog.buckets.create(ODD)
    assert catalog.buckets.get(ODD).objects == 0


def test_a_task_comes_out_as_it_was(catalog: SqlCatalog) -> None:
    kept, ended = task(2), task(1, status=TaskStatus.SUCCESS, bucket="digits")
    catalog.tasks.add(kept)
    catalog.tasks.add(ended)
    assert catalog.tasks.list() == [ended, kept]
    assert catalog.tasks.list(status=TaskStatus.RUNNING) == [kept]
    assert catalog.tasks.list(bucket="digits") == [ended]
    moved = dataclasses.replace(kept, progress=90, updated_at=at(9))
    catalog.tasks.save(moved)
    assert catalog.tasks.get(kept.id) == moved


def test_a_notebook_comes_out_as_it_was(catalog: SqlCatalog) -> None:
    late, early = notebook("late", 2), notebook("early", 1)
    catalog.notebooks.add(late)
    catalog.notebooks.add(early)
    assert catalog.notebooks.list() == [early, late]
    changed = dataclasses.replace(late, state=NotebookState.DELETING)
    catalog.notebooks.save(changed)
    assert catalog.notebooks.get("late") == changed


def test_a_run_comes_out_with_its_steps_in_their_order(catalog: SqlCatalog) -> None:
    kept, other = run(), run("r-2", 5)
    catalog.runs.add(other)
    catalog.runs.add(kept)
    assert catalog.runs.get("r-1") == kept
    assert catalog.runs.list() == [kept, other]
    assert catalog.runs.list(pipeline="nothing") == []
    assert catalog.runs.list(status=RunStatus.RUNNING) == [kept, other]


def test_a_run_its_steps_and_attempts_are_saved_one_by_one(catalog: SqlCatalog) -> None:
    kept = run()
    catalog.runs.add(kept)
    catalog.runs.save(dataclasses.replace(kept, status=RunStatus.FAILED, finished_at=at(7), steps=()))
    catalog.runs.save_step("r-1", Step("a-second", ("z-first",), StepStatus.RUNNING))
    catalog.runs.save_step("r-1", Step("0-third"))
    second = dataclasses.replace(kept.steps[0].attempts[0], number=2, exit_status=None, log=None)
    catalog.runs.save_attempt("r-1", "z-first", second)
    catalog.runs.save_attempt("r-1", "z-first", dataclasses.replace(second, message="changed"))
    found = catalog.runs.get("r-1")
    assert (found.status, found.finished_at) == (RunStatus.FAILED, at(7))
    assert [(step.name, step.status) for step in found.steps] == [
        ("z-first", StepStatus.FAILED),
        ("a-second", StepStatus.RUNNING),
        ("0-third", StepStatus.PENDING),
    ]
    assert [attempt.number for attempt in found.steps[0].attempts] == [1, 2]
    assert found.steps[0].attempts[1].message == "changed"


def test_attempts_are_found_by_their_pod_and_by_how_they_stand_whatever_their_run(catalog: SqlCatalog) -> None:
    first, second = run("r-2"), run("r-1", 5)
    for each in (second, first):
        catalog.runs.add(each)
    known = first.steps[0].attempts[0]
    again = dataclasses.replace(known, number=2, status=StepStatus.RUNNING, pod_uid="uid-2")
    catalog.runs.save_attempt("r-1", "a-second", again)
    assert catalog.runs.attempts() == [
        FiledAttempt("digits", "r-2", "z-first", known),
        FiledAttempt("digits", "r-1", "z-first", second.steps[0].attempts[0]),
        FiledAttempt("digits", "r-1", "a-second", again),
    ]
    assert catalog.runs.attempts(pod_uid="uid-2") == [FiledAttempt("digits", "r-1", "a-second", again)]
    assert catalog.runs.attempts(status=StepStatus.RUNNING) == [FiledAttempt("digits", "r-1", "a-second", again)]
    assert catalog.runs.attempts(pod_uid="uid-2", status=StepStatus.FAILED) == []


def test_a_removed_run_takes_its_steps_with_it(catalog: SqlCatalog) -> None:
    catalog.runs.add(run())
    catalog.runs.remove("r-1")
    bare = dataclasses.replace(run(), steps=())
    catalog.runs.add(bare)
    assert catalog.runs.get("r-1") == bare


def test_what_is_there_is_not_added_and_what_is_gone_not_saved(catalog: SqlCatalog) -> None:
    shelves: list[tuple[Any, object]] = [
        (catalog.versions, version()),
        (catalog.tasks, task()),
        (catalog.notebooks, notebook()),
        (catalog.runs, run()),
    ]
    for shelf, record in shelves:
        with pytest.raises(RecordNotFound):
            shelf.save(record)
        shelf.add(record)
        with pytest.raises(RecordExists):
            shelf.add(record)
        with pytest.raises(RecordNotFound):
            shelf.get(str(uuid.uuid4()))
        shelf.remove("nothing")
    with pytest.raises(RecordNotFound):
        catalog.runs.save_step("nothing", Step("a"))
    with pytest.raises(RecordNotFound):
        catalog.runs.save_attempt("r-1", "nothing", run().steps[0].attempts[0])


def test_text_that_is_no_unicode_is_refused_and_nothing_is_kept(catalog: SqlCatalog) -> None:
    with pytest.raises(InvalidRequest, match="not valid Unicode"):
        catalog.versions.add(version(title="bad \udcff"))
    assert catalog.versions.list(VersionFilter(state=None)) == []
    assert catalog.buckets.list() == []
