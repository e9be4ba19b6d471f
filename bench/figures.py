"""Percentiles, goals, and how a result is written down."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

_RESULTS = Path(__file__).parent / "results"


def percentile(values: list[float], share: float) -> float:
    """Give the value below which `share` (0..1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def p50(values: list[float]) -> float:
    """Give the median."""
    return statistics.median(values)


@dataclass(frozen=True)
class Figure:
    """One metric: what was measured, beside the floor, against its goal.

    `ours` and `floor` are in `unit`; `ratio` is what the goal speaks of; `goal` None is a
    report without a goal; `at_least` turns the comparison round.
    """

    metric: str
    unit: str
    ours: float
    floor: float | None
    ratio: float | None
    goal: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Give `met`, `missed` or `reported`."""
        value = self.ours if self.ratio is None else self.ratio
        if self.goal is None:
            return "reported"
        return "met" if (value >= self.goal if self.at_least else value <= self.goal) else "missed"

    def row(self) -> str:
        """Give the line of the table."""
        floor = "" if self.floor is None else f"{self.floor:.3g}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        goal = "" if self.goal is None else ("≥ " if self.at_least else "≤ ") + f"{self.goal:g}"
        return f"{self.metric:<64} {self.ours:>9.3g} {floor:>9} {self.unit:<9} {ratio:>6} {goal:>8}  {self.verdict}"


_HEAD = f"{'metric':<64} {'ours':>9} {'floor':>9} {'unit':<9} {'ratio':>6} {'goal':>8}  verdict"


def report(measured: Iterable[Figure], facts: dict[str, str | int], name: str) -> None:
    """Print the table line by line as it is measured, then write it with the machine's facts as `results/NAME.json`."""
    print(_HEAD, flush=True)
    rows = []
    for figure in measured:
        print(figure.row(), flush=True)
        rows.append({**asdict(figure), "verdict": figure.verdict})
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / f"{name}.json").write_text(json.dumps({"machine": facts, "figures": rows}, indent=2) + "\n")


def asked_for(story: str | None, metavar: str, meant: str) -> tuple[str, bool]:
    """Read the command line of a pool's bench: give the pool, and whether few rounds will do."""
    arguments = argparse.ArgumentParser(description=story.splitlines()[0] if story else None)
    arguments.add_argument("pool", metavar=metavar, help=meant)
    arguments.add_argument("--quick", action="store_true", help="few rounds: shows that it runs")
    given = arguments.parse_args()
    return given.pool, given.quick
