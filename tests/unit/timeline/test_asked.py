"""Checkpoints that somebody asked for: what is filed, what is refused, and what an interruption leaves."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from rokcsi.model.errors import (
    InvalidRequest,
    PoolElsewhere,
    PoolFull,
    RecordNotFound,
    StillInUse,
    VolumeNotFound,
)
from rokcsi.model.history import ReasonKind, VersionState
from rokcsi.model.people import Wish
from rokcsi.timeline.asked import Asked
from tests.fakes.visited_cluster import NAMESPACE, TEMPLATE, handle
from tests.unit.timeline.conftest import Timeline

WISH = Wish("lab-0", "First", "of all", "ann")


@pytest.fixture
def unclear() -> list[str]:
    return []


@pytest.fixture
def asked(timeline: Timeline, unclear: list[str]) -> Asked:
    timeline.pods.claim("data", said=(None,))
    timeline.pods.comes("lab-0", "work", "data")
    return timeline.asked(unclear.append, runs=1)


def test_all_volumes_of_a_pod_are_cut_at_one_instant_whatever_was_said_of_them(
    timeline: Timeline, asked: Asked
) -> None:
    version = asked.take(NAMESPACE, WISH)
    assert timeline.cuts.asked == [(f"checkpoint-{version.id}", (handle("work"), handle("data")))]
    assert (version.bucket, version.object, version.author) == ("notebooks", "lab-0", "ann")
    assert (version.state, version.reason.kind) == (VersionState.READY, ReasonKind.MANUAL)
    assert version.reason.template == TEMPLATE
    members = [(each.object, each.mount_path, each.size) for each in version.members]
    assert members == [("lab-0_work", "/work", timeline.cuts.size), ("lab-0_data", "/data", timeline.cuts.size)]
    assert asked.versions(NAMESPACE) == [version] == timeline.versions()
    assert asked.version(NAMESPACE, version.id[:8]) == version
    assert asked.take(NAMESPACE, WISH).parent == version.id


def test_what_was_asked_for_outlives_the_runs_and_goes_when_it_is_let_go(timeline: Timeline, asked: Asked) -> None:
    version = asked.take(NAMESPACE, WISH)
    timeline.keeping(runs=1).look(NAMESPACE)
    asked.pin(NAMESPACE, version.id, pinned=True)
    with pytest.raises(StillInUse, match="pinned"):
        asked.remove(NAMESPACE, version.id)
    asked.pin(NAMESPACE, version.id, pinned=False)
    asked.remove(NAMESPACE, version.id)
    assert not timeline.versions()
    assert not timeline.cuts.cuts


def test_who_asks_for_what_is_not_there_is_told(timeline: Timeline, asked: Asked) -> None:
    timeline.pods.comes("plain")
    with pytest.raises(RecordNotFound, match="no pod other"):
        asked.take(NAMESPACE, Wish("other"))
    with pytest.raises(RecordNotFound, match="no pod lab-0 in the namespace elsewhere"):
        asked.take("elsewhere", WISH)
    with pytest.raises(InvalidRequest, match="no volumes of this driver"):
        asked.take(NAMESPACE, Wish("plain"))
    with pytest.raises(RecordNotFound):
        asked.version(NAMESPACE, "0123456789")
    assert not timeline.cuts.asked


def test_nothing_of_an_earlier_namespace_of_that_name_is_told(timeline: Timeline, asked: Asked) -> None:
    version = asked.take(NAMESPACE, WISH)
    timeline.pods.namespaces[NAMESPACE] = version.created_at + dt.timedelta(minutes=5)
    assert not asked.versions(NAMESPACE)
    with pytest.raises(RecordNotFound):
        asked.remove(NAMESPACE, version.id)


def test_a_pool_that_is_too_full_takes_none(timeline: Timeline, asked: Asked) -> None:
    timeline.cuts.used = 0.8
    with pytest.raises(PoolFull, match="describe pod lab-0"):
        asked.take(NAMESPACE, WISH)
    assert timeline.notices.reasons() == ["CheckpointsStopped"]
    assert not timeline.versions()


def test_after_a_refusal_nothing_is_left(timeline: Timeline, asked: Asked, unclear: list[str]) -> None:
    timeline.cuts.errors.append(VolumeNotFound("gone"))
    with pytest.raises(VolumeNotFound):
        asked.take(NAMESPACE, WISH)
    assert not timeline.versions()
    assert not unclear


def test_a_cut_that_nobody_heard_of_is_undone(timeline: Timeline, asked: Asked, unclear: list[str]) -> None:
    timeline.cuts.late_errors.append(PoolElsewhere("away"))
    with pytest.raises(PoolElsewhere):
        asked.take(NAMESPACE, WISH)
    assert unclear == [NAMESPACE]
    assert len(timeline.cuts.cuts) == 1
    assert not asked.versions(NAMESPACE)
    timeline.cuts.errors.append(PoolElsewhere("still away"))
    with pytest.raises(PoolElsewhere):
        asked.look(NAMESPACE)
    assert asked.look(NAMESPACE) is None
    assert not timeline.versions()
    assert not timeline.cuts.cuts


def test_a_version_that_is_taken_at_the_mount_is_left_alone_by_that(timeline: Timeline, asked: Asked) -> None:
    at = timeline.pods.comes("train-1", "work")
    version = timeline.enters(at)
    assert version is not None
    timeline.shelves.of(NAMESPACE).versions.save(dataclasses.replace(version, state=VersionState.TAKING))
    asked.look(NAMESPACE)
    assert len(timeline.versions()) == 1
