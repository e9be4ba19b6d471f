"""How instants, durations and ids are written for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

SHORT_ID = 8
_MINUTE = 60.0
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def age(instant: dt.datetime, now: dt.datetime | None = None) -> str:
    """Give how long ago something was, as kubectl does: `12s`, `5m`, `3h`, `8d`."""
    seconds = max(0.0, ((now or dt.datetime.now(dt.UTC)) - instant).total_seconds())
    for limit, unit, letter in ((2 * _MINUTE, 1.0, "s"), (2 * _HOUR, _MINUTE, "m"), (2 * _DAY, _HOUR, "h")):
        if seconds < limit:
            return f"{int(seconds / unit)}{letter}"
    return f"{int(seconds / _DAY)}d"


def seconds(value: float | None) -> str:
    """Give a duration: `0.4 ms`, `2.31 s`, `3m20s`; a dash when it is not known."""
    if value is None:
        return "-"
    if value < 1:
        return f"{value * 1000:.1f} ms"
    if value < _MINUTE:
        return f"{value:.2f} s"
    return f"{int(value // _MINUTE)}m{int(value % _MINUTE):02d}s"


def counted(number: int, word: str) -> str:
    """Give a number of things: `1 run`, `2 runs`, `no runs`."""
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def instant(value: dt.datetime | None) -> str:
    """Give an instant in UTC to the millisecond; a dash when there is none."""
    return "-" if value is None else value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short(id: str | None) -> str:
    """Give the first digits of an id, enough to name it by; a dash when there is none."""
    return id[:SHORT_ID] if id else "-"


def status_of_exit(value: int | None) -> str:
    """Give an exit status: a number, `signal 9` for a command that was killed, a dash when it is not known."""
    if value is None:
        return "-"
    return f"signal {-value}" if value < 0 else str(value)


def pairs(values: Mapping[str, str]) -> str:
    """Give names and values on one line."""
    return " ".join(f"{name}={value}" for name, value in sorted(values.items())) or "-"


def yes(value: bool) -> str:
    """Give yes or no."""
    return "yes" if value else "no"


def share(value: float | None) -> str:
    """Give a share of 1 in hundredths; a dash when there is none."""
    return "-" if value is None else f"{value:.0%}"
