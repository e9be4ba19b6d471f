from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rokcsi.model.errors import GroupNotFound, NotFound, SnapshotNotFound, VolumeNotFound
from rokcsi.model.ids import (
    GroupId,
    Handles,
    PoolId,
    SnapshotId,
    VolumeId,
    is_shown_alone,
    own_handle,
    pool_of_snapshot,
    shown_alone,
)

HANDLES = Handles(PoolId("0" * 31 + "a"))
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)


@given(ANY_TEXT)
def test_any_name_has_one_identity_that_is_safe_everywhere(name: str) -> None:
    for kind in (VolumeId, SnapshotId, GroupId):
        identity = kind.of_name(name)
        assert identity == kind.of_name(name)
        assert type(identity) is kind
        assert re.fullmatch("[0-9a-f]{32}", identity)


@given(ANY_TEXT, ANY_TEXT)
def test_other_names_have_other_identities(one: str, other: str) -> None:
    assert (VolumeId.of_name(one) == VolumeId.of_name(other)) == (one == other)


def test_identities_of_the_same_name_differ_by_kind() -> None:
    assert len({str(kind.of_name("a")) for kind in (VolumeId, SnapshotId, GroupId)}) == 3


def test_an_identity_never_changes_from_one_version_to_the_next() -> None:
    """Existing pools are found by it."""
    assert VolumeId.of_name("pvc-1") == "7670d718e5536d7e6562cc1ef378dd03"
    assert SnapshotId.of_name("pvc-1") == "117c78290046b6f90587bdc58ca65ef9"
    assert GroupId.of_name("pvc-1") == "96d37379601a9d3f3625ebeb136dfa28"


@pytest.mark.parametrize(
    "text", ["", "a" * 31, "a" * 33, "A" * 32, "g" * 32, "a" * 31 + "\n", "a" * 32 + "\n", "\u0661" * 32]
)
def test_what_is_no_identity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 hexadecimal"):
        VolumeId(text)


def test_each_pool_has_its_own_identity() -> None:
    assert len({PoolId.fresh() for _ in range(100)}) == 100


@given(ANY_TEXT)
def test_a_handle_is_read_back(name: str) -> None:
    volume, snapshot, group = VolumeId.of_name(name), SnapshotId.of_name(name), GroupId.of_name(name)
    assert HANDLES.volume(HANDLES.of_volume(volume)) == volume
    assert HANDLES.snapshot(HANDLES.of_snapshot(snapshot)) == snapshot
    assert HANDLES.group(HANDLES.of_group(group)) == group
    assert len(HANDLES.of_volume(volume)) <= 128


@given(ANY_TEXT)
def test_anything_else_is_an_unknown_handle(text: str) -> None:
    for read, missing in (
        (HANDLES.volume, VolumeNotFound),
        (HANDLES.snapshot, SnapshotNotFound),
        (HANDLES.group, GroupNotFound),
    ):
        with pytest.raises(missing):
            read(text)


def test_a_handle_of_another_kind_or_pool_is_unknown() -> None:
    volume = VolumeId.of_name("a")
    handle = HANDLES.of_volume(volume)
    with pytest.raises(SnapshotNotFound):
        HANDLES.snapshot(handle)
    with pytest.raises(VolumeNotFound, match="another pool"):
        HANDLES.volume(Handles(PoolId.fresh()).of_volume(volume))


@pytest.mark.parametrize(
    "change", [str.upper, lambda h: h + "\n", lambda h: " " + h, lambda h: h + "/..", lambda h: h[:-1]]
)
def test_a_handle_that_is_nearly_right_is_unknown(change: Callable[[str], str]) -> None:
    with pytest.raises(VolumeNotFound):
        HANDLES.volume(change(HANDLES.of_volume(VolumeId.of_name("a"))))


def test_a_snapshot_has_a_second_handle_that_names_the_same() -> None:
    handles = Handles(PoolId.fresh())
    one = SnapshotId.of_name("one")
    own = handles.of_snapshot(one)
    alone = shown_alone(own)
    assert (is_shown_alone(own), is_shown_alone(alone)) == (False, True)
    assert handles.snapshot(alone) == one
    assert pool_of_snapshot(alone) == handles.pool
    assert own_handle(alone) == own_handle(own) == own
    for read in (handles.volume, handles.group):
        with pytest.raises(NotFound):
            read(alone)
