"""What the bench writes into a volume before it snapshots it, and how a clone's is checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Content:
    """What is in the volume: a script writes it, another fails unless it is there."""

    name: str
    size: str
    script: str
    check: str


# Each 16 KiB are the same again: quick to write, and kind to a driver that compresses.
_PIECE = "head -c 16384 /dev/urandom >/tmp/r"
_TWICE = "do cat /tmp/r /tmp/r >/tmp/s; mv /tmp/s /tmp/r; done"


def _files(number: int, size: int) -> str:
    """Give a script that writes so many files of so many bytes, each with its number first, and remembers their sums."""
    written = f"{{ printf %08d $each; head -c {size - 8} /tmp/r; }} >f$each"
    return (
        f"{_PIECE}; for _ in $(seq 5); {_TWICE}; for each in $(seq {number}); do {written}; done; md5sum f* >sums; sync"
    )


def _checked(number: int) -> str:
    return f'test "$(ls | grep -c ^f)" = {number}; md5sum -c -s sums'


TINY = Content("16 MiB in 64 files", "512Mi", _files(64, 262_144), _checked(64))
SMALL = Content("256 MiB in 1,000 files", "512Mi", _files(1000, 268_436), _checked(1000))
LARGE = Content(
    "8 GiB",
    "10Gi",
    f"{_PIECE}; for _ in $(seq 12); {_TWICE}; "
    "for each in $(seq 8); do for _ in $(seq 16); do cat /tmp/r; done >f$each; done; md5sum f8 >sums; sync",
    'test "$(stat -c %s f? | sort | uniq -c | xargs)" = "8 1073741824"; md5sum -c -s sums',
)
