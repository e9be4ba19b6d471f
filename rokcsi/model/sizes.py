"""Sizes in bytes: one type for all of them, and the words people write for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from rokcsi.model.errors import InvalidRequest, SizeOutOfRange

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_UNITS |= {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50}
_QUANTITY = re.compile(r"([0-9]{1,40}(?:\.[0-9]{1,40})?)\s*([kMGTP]|[KMGTP]i)?B?")


class Bytes(int):
    """A number of bytes, never negative; prints itself as people write it (`1.5Gi`)."""

    def __new__(cls, value: int) -> Self:
        """Raise InvalidRequest for a negative value."""
        if value < 0:
            raise InvalidRequest(f"a size cannot be negative: {value}")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Bytes:
        """Read a Kubernetes quantity (`10Gi`, `500M`, `1073741824`); raise InvalidRequest, above `LARGEST` too."""
        match = _QUANTITY.fullmatch(text.strip())
        if match is None:
            raise InvalidRequest(f"not a size: {text!r}; write it as 10Gi, 500M or 1073741824")
        number, unit = match.groups()
        size = cls(int(Fraction(number) * _UNITS[unit or ""]))
        if size > LARGEST:
            raise InvalidRequest(f"{text.strip()} is too large; a size stays below {LARGEST}")
        return size

    def rounded_up(self, unit: int) -> Bytes:
        """Give the next multiple of `unit` bytes."""
        return Bytes(-(-self // unit) * unit)

    def __str__(self) -> str:
        for unit in ("Pi", "Ti", "Gi", "Mi", "Ki"):
            if self >= _UNITS[unit]:
                return f"{self / _UNITS[unit]:.1f}".removesuffix(".0") + unit
        return str(int(self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


LARGEST = Bytes((1 << 63) - 1)  # CSI's sizes are int64
_NOTHING = Bytes(0)


@dataclass(frozen=True, slots=True)
class SizeRange:
    """What a caller asks for: at least `required` bytes, at most `limit` (None: no limit)."""

    required: Bytes = _NOTHING
    limit: Bytes | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < self.required:
            raise InvalidRequest(f"the limit ({self.limit}) is below the required size ({self.required})")

    def admits(self, size: Bytes) -> bool:
        """Tell whether a thing of this size satisfies the range."""
        return self.required <= size and (self.limit is None or size <= self.limit)

    def smallest(self, *, minimum: Bytes, unit: int) -> Bytes:
        """Give the smallest size within the range, at least `minimum` and a multiple of `unit`.

        Raises SizeOutOfRange when the limit lies below that.
        """
        size = Bytes(max(self.required, minimum, unit)).rounded_up(unit)
        if not self.admits(size):
            raise SizeOutOfRange(
                f"the smallest size possible here is {size} ({int(size)} bytes), above the limit of {self.limit}"
            )
        return size
