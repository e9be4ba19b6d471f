"""How large a volume becomes: what the caller asks, the file system needs and the pool can cut."""

from __future__ import annotations

from dataclasses import replace

from rokcsi.model.errors import InvalidRequest, SizeOutOfRange, SourceTooLarge
from rokcsi.model.filesystems import DEFAULT_FILESYSTEM, FILESYSTEMS, SizeBounds
from rokcsi.model.sizes import Bytes, SizeRange

DEFAULT_SIZE = Bytes(1 << 30)
ANY_FILESYSTEM = ""  # the caller wants files, and leaves to us how they are kept
_RAW = SizeBounds(Bytes(1), Bytes(1 << 50))


def checked_filesystem(filesystem: str | None) -> str | None:
    """Give what was asked for when volumes can have it; raise InvalidRequest naming the file systems they can have."""
    if filesystem is not None and filesystem != ANY_FILESYSTEM and filesystem not in FILESYSTEMS:
        raise InvalidRequest(f"the file system {filesystem!r} is not one of {', '.join(FILESYSTEMS)}")
    return filesystem


def fresh_filesystem(wished: str | None) -> str | None:
    """Give the file system of an empty volume, `xfs` where any will do; None is a raw block volume."""
    return DEFAULT_FILESYSTEM if wished == ANY_FILESYSTEM else wished


def smallest_size(filesystem: str | None, unit: Bytes) -> Bytes:
    """Give the size of the smallest volume possible."""
    return _bounds(filesystem).smallest.rounded_up(unit)


def fresh_size(wished: SizeRange, filesystem: str | None, unit: Bytes) -> Bytes:
    """Give the size of an empty volume; raise SizeOutOfRange.

    Where the caller leaves it open it is DEFAULT_SIZE, or the limit when that is lower.
    """
    bounds = _bounds(filesystem)
    if wished.required == 0:
        upmost = DEFAULT_SIZE if wished.limit is None else min(DEFAULT_SIZE, Bytes(wished.limit // unit * unit))
        wished = replace(wished, required=Bytes(upmost))
    return _not_absurd(wished.smallest(minimum=bounds.smallest, unit=unit), bounds)


def copied_size(wished: SizeRange, source: Bytes, filesystem: str | None, unit: Bytes) -> Bytes:
    """Give the size of a volume that begins as a source of this size, which it has where the caller leaves it open.

    Raises SourceTooLarge when the caller wants a smaller one, SizeOutOfRange.
    """
    bounds = _bounds(filesystem)
    if wished.limit is not None and wished.limit < source:
        raise SourceTooLarge(f"the source has {source}, above the limit of {wished.limit}; ask for {source} or more")
    if wished.required == 0:
        return source
    size = _not_absurd(wished.smallest(minimum=bounds.smallest, unit=unit), bounds)
    if size < source:
        raise SourceTooLarge(f"the source has {source}, more than the {size} asked for; ask for {source} or more")
    return size


def grown_size(wished: SizeRange, present: Bytes, filesystem: str | None, unit: Bytes) -> Bytes:
    """Give the size to which a volume grows, its present one when that is large enough; raise SizeOutOfRange."""
    if wished.limit is not None and wished.limit < present:
        raise SizeOutOfRange(
            f"the volume has {present} already, above the limit of {wished.limit}; volumes never shrink"
        )
    if wished.required <= present:
        return present
    bounds = _bounds(filesystem)
    return _not_absurd(wished.smallest(minimum=bounds.smallest, unit=unit), bounds)


def _bounds(filesystem: str | None) -> SizeBounds:
    return _RAW if filesystem is None else FILESYSTEMS[filesystem]


def _not_absurd(size: Bytes, bounds: SizeBounds) -> Bytes:
    if size > bounds.largest:
        raise SizeOutOfRange(f"{size} is above {bounds.largest}, the largest volume of this kind; ask for less")
    return size
