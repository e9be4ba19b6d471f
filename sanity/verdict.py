"""Was a run of csi-sanity what we promise? Exactly the expected cases skipped, none failed, the rest passed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CASES = 95
_CASE = "[It] "  # what is not a case is one of Ginkgo's hooks


@dataclass(frozen=True, slots=True)
class Outcome:
    """The names of the cases by how they ended; `failures` tells why, by name."""

    passed: frozenset[str]
    skipped: frozenset[str]
    failed: frozenset[str]
    failures: tuple[str, ...] = ()


def read_outcome(report: Path) -> Outcome:
    """Read the JUnit XML that csi-sanity has written."""
    by_status: dict[str, set[str]] = {}
    failures = []
    for case in ET.parse(report).iter("testcase"):
        if not case.get("name", "").startswith(_CASE):
            continue
        name = case.get("name", "").removeprefix(_CASE)
        if case.get("status") == "pending":
            continue  # its authors have switched it off
        by_status.setdefault(case.get("status", "unknown"), set()).add(name)
        failures += [f"{name}: {(found.get('message') or '').strip()}" for found in case.iter("failure")]
    passed, skipped = by_status.pop("passed", set()), by_status.pop("skipped", set())
    failed = frozenset().union(*by_status.values())
    return Outcome(frozenset(passed), frozenset(skipped), failed, tuple(failures))


def read_expected_skips(path: Path) -> frozenset[str]:
    """Read the names of the cases that have to be skipped, one a line; `#` begins a comment."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


def complaints(outcome: Outcome, expected_skips: frozenset[str]) -> Sequence[str]:
    """Give everything that is not as promised; nothing when all is."""
    told = [f"failed: {failure}" for failure in outcome.failures or sorted(outcome.failed)]
    told += [f"skipped, but has to run: {name}" for name in sorted(outcome.skipped - expected_skips)]
    told += [f"ran, but is expected to be skipped: {name}" for name in sorted(expected_skips - outcome.skipped)]
    seen = len(outcome.passed) + len(outcome.skipped) + len(outcome.failed)
    if seen != CASES:
        told.append(f"{seen} cases were seen; this version of csi-sanity has {CASES}")
    return told
