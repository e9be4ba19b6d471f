from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rokcsi.model.errors import InvalidRequest, SizeOutOfRange
from rokcsi.model.sizes import Bytes, SizeRange

SIZES = st.integers(0, 1 << 62)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1073741824", 1 << 30),
        ("10Gi", 10 << 30),
        ("10GiB", 10 << 30),
        ("1.5Gi", 3 << 29),
        ("500M", 500_000_000),
        ("500MB", 500_000_000),
        ("2k", 2000),
        ("2Ki", 2048),
        ("3Ti", 3 << 40),
        ("1Pi", 1 << 50),
        (" 7 Mi ", 7 << 20),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_a_quantity_is_read_exactly(text: str, size: int) -> None:
    assert Bytes.parse(text) == size


@pytest.mark.parametrize(
    "text", ["", "Gi", "-1", "-1Gi", "1e9", "10 Gi Gi", "ten", "1,5Gi", "0x10", "10gi", "१Gi", "1Gi\n2"]
)
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidRequest, match="10Gi"):
        Bytes.parse(text)


@pytest.mark.parametrize(
    "text", ["9223372036854775808", "8192Pi", "9999999999999999999999Pi", "99999999999999999999.5Ki", "9" * 30 + "GB"]
)
def test_a_size_beyond_what_csi_can_say_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="too large"):
        Bytes.parse(text)


@pytest.mark.parametrize("text", ["9" * 5000, "9" * 5000 + ".5Gi", "0." + "1" * 5000])
def test_a_number_of_thousands_of_digits_is_no_size(text: str) -> None:
    with pytest.raises(InvalidRequest, match="10Gi"):
        Bytes.parse(text)


def test_the_largest_size_can_be_asked_for() -> None:
    assert Bytes.parse("9223372036854775807") == (1 << 63) - 1


def test_no_size_is_negative() -> None:
    with pytest.raises(InvalidRequest):
        Bytes(-1)


@given(SIZES)
def test_a_size_is_read_back_from_its_own_digits(size: int) -> None:
    assert Bytes.parse(str(int(Bytes(size)))) == size


@given(SIZES.filter(lambda size: size < 1 << 50), st.sampled_from(["Ki", "Mi", "Gi", "Ti", "Pi"]))
def test_what_people_read_is_nearly_the_size(size: int, unit: str) -> None:
    text = str(Bytes(size))
    assert f"{Bytes(size)}" == text
    assert abs(Bytes.parse(text) - size) <= size * 0.06 + 1


@pytest.mark.parametrize(("size", "text"), [(0, "0"), (1023, "1023"), (1024, "1Ki"), (1536, "1.5Ki"), (3 << 30, "3Gi")])
def test_a_size_prints_as_people_write_it(size: int, text: str) -> None:
    assert str(Bytes(size)) == text


@given(SIZES, st.integers(1, 1 << 30))
def test_rounding_up_gives_the_next_multiple(size: int, unit: int) -> None:
    rounded = Bytes(size).rounded_up(unit)
    assert rounded % unit == 0
    assert size <= rounded < size + unit


def test_a_limit_below_the_required_size_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="below"):
        SizeRange(Bytes(2), Bytes(1))


@given(required=SIZES, room=st.none() | SIZES, minimum=SIZES, unit=st.sampled_from([1, 512, 4096, 1 << 20]))
def test_the_smallest_size_is_admitted_and_nothing_smaller_would_do(
    required: int, room: int | None, minimum: int, unit: int
) -> None:
    wished = SizeRange(Bytes(required), None if room is None else Bytes(required + room))
    try:
        size = wished.smallest(minimum=Bytes(minimum), unit=unit)
    except SizeOutOfRange:
        assert room is not None
        assert Bytes(max(required, minimum, unit)).rounded_up(unit) > required + room
        return
    assert wished.admits(size)
    assert size % unit == 0
    assert size >= max(minimum, unit)
    assert size - unit < max(required, minimum, unit)


def test_a_range_admits_its_ends() -> None:
    wished = SizeRange(Bytes(1), Bytes(3))
    assert [size for size in range(5) if wished.admits(Bytes(size))] == [1, 2, 3]
    assert SizeRange(Bytes(1)).admits(Bytes(1 << 62))
