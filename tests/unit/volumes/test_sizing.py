from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rokcsi.model.errors import InvalidRequest, OutOfRange, SizeOutOfRange, SourceTooLarge
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.volumes.sizing import checked_filesystem, copied_size, fresh_size, grown_size

UNIT = Bytes(4096)
MIB, GIB = 1 << 20, 1 << 30


def between(required: int, limit: int | None = None) -> SizeRange:
    return SizeRange(Bytes(required), None if limit is None else Bytes(limit))


def test_where_nothing_is_said_a_volume_has_one_gibibyte() -> None:
    assert fresh_size(SizeRange(), "xfs", UNIT) == GIB


def test_where_only_a_lower_limit_is_said_the_volume_has_that() -> None:
    assert fresh_size(between(0, 400 * MIB + 5), "xfs", UNIT) == 400 * MIB


def test_a_small_xfs_is_rounded_up_within_the_limit() -> None:
    assert fresh_size(between(MIB), "xfs", UNIT) == 300 * MIB
    assert fresh_size(between(MIB, 300 * MIB), "xfs", UNIT) == 300 * MIB
    with pytest.raises(SizeOutOfRange, match="limit"):
        fresh_size(between(MIB, 299 * MIB), "xfs", UNIT)


def test_other_kinds_may_be_smaller() -> None:
    assert fresh_size(between(1), "ext4", UNIT) == 16 * MIB
    assert fresh_size(between(1), None, UNIT) == UNIT


def test_absurd_sizes_are_refused() -> None:
    for filesystem in ("xfs", "ext4", None):
        with pytest.raises(SizeOutOfRange, match="ask for less"):
            fresh_size(between((1 << 63) - 1), filesystem, UNIT)


def test_a_copy_is_as_large_as_its_source_where_nothing_is_said() -> None:
    assert copied_size(SizeRange(), Bytes(5 * GIB), "xfs", UNIT) == 5 * GIB
    assert copied_size(between(6 * GIB), Bytes(5 * GIB), "xfs", UNIT) == 6 * GIB


def test_a_copy_smaller_than_its_source_is_refused() -> None:
    with pytest.raises(SourceTooLarge):
        copied_size(between(4 * GIB), Bytes(5 * GIB), "xfs", UNIT)
    with pytest.raises(SourceTooLarge):
        copied_size(between(0, 4 * GIB), Bytes(5 * GIB), "xfs", UNIT)


def test_a_copy_of_a_rounded_up_source_may_be_asked_for_as_the_source_was() -> None:
    assert copied_size(between(MIB), Bytes(300 * MIB), "xfs", UNIT) == 300 * MIB


def test_volumes_never_shrink() -> None:
    assert grown_size(between(GIB), Bytes(2 * GIB), "xfs", UNIT) == 2 * GIB
    with pytest.raises(SizeOutOfRange, match="never shrink"):
        grown_size(between(GIB, GIB), Bytes(2 * GIB), "xfs", UNIT)


def test_an_unknown_file_system_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="xfs, ext4"):
        checked_filesystem("btrfs")


@given(
    required=st.integers(0, 1 << 63),
    limit=st.none() | st.integers(0, 1 << 63),
    source=st.none() | st.integers(1, 1 << 30).map(lambda blocks: blocks * 4096),
    filesystem=st.sampled_from(["xfs", "ext4", None]),
)
def test_a_size_is_within_the_range_or_refused(
    required: int, limit: int | None, source: int | None, filesystem: str | None
) -> None:
    try:
        wished = between(required, limit)
        if source is None:
            size = fresh_size(wished, filesystem, UNIT)
        else:
            size = copied_size(wished, Bytes(source), filesystem, UNIT)
    except (InvalidRequest, OutOfRange):
        return
    assert wished.admits(size)
    assert size >= (source or 1)
    assert size % UNIT == 0
