"""Old versions and runs go by rule; what somebody needs stays."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import InvalidRequest, RecordNotFound, StillInUse
from rokcsi.model.history import NOTEBOOKS_BUCKET, Notebook, Version
from rokcsi.model.runs import Run
from rokcsi.pipeline import run
from rokcsi.pipeline.checkpoint import of_notebook
from rokcsi.pipeline.definition import parse
from rokcsi.pipeline.deletion import delete_version
from rokcsi.pipeline.restore import restore
from rokcsi.pipeline.retention import RetentionRule, carry_out, plan
from rokcsi.pipeline.world import World
from tests.fakes.memory_cluster import MemoryCluster

ONE_STEP = parse("name: r\nsteps:\n- {name: a, command: [ok]}\n")


def _pin(world: World, version: Version) -> None:
    world.catalog.versions.save(dataclasses.replace(version, pinned=True))


def _ids(things: tuple[Version, ...] | tuple[Run, ...]) -> list[str]:
    return [thing.id for thing in things]


def _later(world: World, days: int) -> World:
    return dataclasses.replace(world, now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=days))


def test_the_newest_versions_of_each_object_stay(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    versions = [of_notebook(world, lab.name) for _ in range(5)]
    before = cluster.left()
    wanted = plan(world, RetentionRule(keep_versions=2))
    assert _ids(wanted.versions) == [version.id for version in versions[:3]]
    assert cluster.left() == before
    carry_out(world, wanted)
    carry_out(world, wanted)
    assert [version.id for version in world.catalog.versions.list(VersionFilter())] == [v.id for v in versions[3:]]
    assert before - cluster.left() == {version.cut_name for version in versions[:3]}
    assert len(world.catalog.tasks.list(bucket=NOTEBOOKS_BUCKET)) == 3


def test_a_rule_of_more_than_a_hundred_years_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="hundred years"):
        RetentionRule(older_than=dt.timedelta(days=999_999_999))


def test_pinned_ones_and_those_a_notebook_was_restored_from_stay(world: World, lab: Notebook) -> None:
    pinned, opened, plain, _ = [of_notebook(world, lab.name) for _ in range(4)]
    _pin(world, pinned)
    restore(world, opened.id, "opened")
    wanted = plan(world, RetentionRule(keep_versions=1))
    assert _ids(wanted.versions) == [plain.id]
    assert {kept.name: kept.why for kept in wanted.kept} == {
        pinned.id: "it is pinned",
        opened.id: "notebook 'opened' was restored from it",
    }


def test_only_what_is_old_enough_goes(world: World, lab: Notebook) -> None:
    versions = [of_notebook(world, lab.name) for _ in range(3)]
    week = dt.timedelta(days=7)
    assert plan(world, RetentionRule(older_than=week)).versions == ()
    assert _ids(plan(_later(world, 8), RetentionRule(older_than=week)).versions) == [v.id for v in versions]
    assert _ids(plan(_later(world, 8), RetentionRule(keep_versions=2, older_than=week)).versions) == [versions[0].id]


def test_a_run_goes_as_a_whole(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    cluster.programs["ok"] = lambda _: 0
    runs = [run.start(world, lab.name, ONE_STEP) for _ in range(3)]
    wanted = plan(world, RetentionRule(keep_runs=1))
    assert _ids(wanted.runs) == [runs[0].id, runs[1].id]
    assert wanted.versions == ()
    carry_out(world, wanted)
    assert [left.id for left in world.catalog.runs.list()] == [runs[2].id]
    assert not [name for name in cluster.left() if name.startswith((runs[0].id, runs[1].id))]
    assert not world.catalog.versions.list(VersionFilter("r", runs[0].id, state=None))
    assert len(world.catalog.versions.list(VersionFilter(NOTEBOOKS_BUCKET))) == 3


def test_a_run_with_a_pinned_version_stays_and_so_does_what_it_was_cloned_from(
    world: World, cluster: MemoryCluster, lab: Notebook
) -> None:
    cluster.programs["ok"] = lambda _: 0
    kept = run.start(world, lab.name, ONE_STEP)
    _pin(world, world.catalog.versions.list(VersionFilter("r", kept.id))[0])
    wanted = plan(_later(world, 1), RetentionRule(older_than=dt.timedelta(hours=1)))
    assert not wanted.runs
    assert not wanted.versions
    assert {one.name for one in wanted.kept} == {kept.id, kept.origin}


def test_a_cut_that_two_versions_share_goes_with_the_last_of_them(
    world: World, cluster: MemoryCluster, lab: Notebook
) -> None:
    cluster.programs["ok"] = lambda _: 0
    done = run.start(world, lab.name, parse("name: r\nsteps:\n- {name: a, command: [ok]}\n- {name: b, command: [ok], needs: a}\n"))  # fmt: skip
    after, again = done.steps[0].attempts[0].after or "", done.steps[1].attempts[0].before or ""
    shared = world.catalog.versions.get(after).cut_name
    assert world.catalog.versions.get(again).cut_name == shared
    delete_version(world, after)
    assert shared in cluster.left()
    restore(world, again, "opened")
    delete_version(world, again)
    assert shared not in cluster.left()


def test_pinned_and_unknown_versions_are_not_deleted(world: World, lab: Notebook) -> None:
    version = of_notebook(world, lab.name)
    _pin(world, version)
    with pytest.raises(StillInUse, match="unpin it first"):
        delete_version(world, version.id)
    with pytest.raises(RecordNotFound):
        delete_version(world, "nothing")


@pytest.mark.parametrize(
    "numbers", [{}, {"keep_versions": -1}, {"keep_runs": -1}, {"older_than": dt.timedelta(seconds=-1)}]
)
def test_a_rule_that_makes_no_sense_is_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest):
        RetentionRule(**numbers)  # type: ignore[arg-type]  # wrong on purpose
