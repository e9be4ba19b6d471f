#!/usr/bin/env python3
"""Runs csi-sanity against a driver of its own, in mount and in block mode, and checks that the result is what we promise.

    .venv/bin/python sanity/run.py [--reports FOLDER] [--rokcsi PROGRAM] [--mode mount|block]

Ends with 0 only when 85 of the 95 cases pass and exactly those of expected-skips.txt were
skipped. JUnit XML and the driver's log are left in the folder of reports.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # run as a script, from anywhere

from sanity.suite import Suite, run_suite  # noqa: E402 - after the line above
from sanity.toolchain import VERSION, NotInstallable, csi_sanity  # noqa: E402 - and this
from sanity.verdict import CASES, Outcome, complaints, read_expected_skips, read_outcome  # noqa: E402 - so are these
from sanity.workplace import DriverDidNotStart, driver, workplace  # noqa: E402 - and these


def main() -> int:
    """Run the modes asked for; give the exit status."""
    asked = _arguments()
    asked.reports.mkdir(parents=True, exist_ok=True)
    expected = read_expected_skips(HERE / "expected-skips.txt")
    try:
        program = csi_sanity()
        wrong = [told for mode in asked.modes for told in _checked(program, mode, asked, expected)]
    except (NotInstallable, DriverDidNotStart) as error:
        print(f"sanity: {error}", file=sys.stderr)
        return 1
    for told in wrong:
        print(f"sanity: {told}", file=sys.stderr)
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--reports", type=Path, default=HERE.parent / "build" / "sanity", help="folder for the results")
    parser.add_argument("--rokcsi", type=Path, default=Path(sys.executable).parent / "rokcsi", help="the driver")
    parser.add_argument("--mode", dest="modes", action="append", choices=("mount", "block"), help="only this one")
    asked = parser.parse_args()
    asked.modes = asked.modes or ["mount", "block"]
    return asked


def _checked(program: Path, mode: str, asked: argparse.Namespace, expected: frozenset[str]) -> list[str]:
    """Run one mode; give what is wrong with it."""
    report = asked.reports / f"{mode}.xml"
    report.unlink(missing_ok=True)
    with workplace() as folder, driver(asked.rokcsi, folder, asked.reports / f"{mode}-driver.log") as endpoint:
        run_suite(program, Suite(mode, folder, endpoint, report))
    if not report.exists():
        return [f"{mode}: csi-sanity wrote no report; see {asked.reports}/{mode}.log"]
    outcome = read_outcome(report)
    _summarize(mode, outcome, report)
    return [f"{mode}: {told}" for told in complaints(outcome, expected)]


def _summarize(mode: str, outcome: Outcome, report: Path) -> None:
    print(
        f"sanity: csi-sanity {VERSION}, {mode:5}: {len(outcome.passed)} of {CASES} passed, "
        f"{len(outcome.skipped)} skipped, {len(outcome.failed)} failed; {report}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
