"""`make test-lab`: the suites of all kinds of pools, each in a guest of its own, as many guests side by side as there are CPUs.

`make test-lab-full` runs the long ones, too.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from queue import SimpleQueue

from tests.lab.guest import HOUSE
from tests.lab.sharing import machine
from tests.lab.suites import KINDS, Suite, suites_of

REPORTS = HOUSE / "build" / "lab"
_TELLING = ("FAILED ", "ERROR ", "left behind: ", "E   ")
_MOST_TOLD = 12
_LIMIT_SECONDS = 1800.0
_FULL_LIMIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Played:
    """How a suite went; `busy_seconds` of a CPU were its own, which tells more than `seconds` where others are at work, too."""

    suite: Suite
    status: int
    seconds: float
    busy_seconds: float


def main() -> int:
    """Run them; give 0 when all of them passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.run_suites", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], help="only these kinds of pools")
    parser.add_argument("--only", action="append", metavar="SUITE", help="only suites of this name; repeatable")
    parser.add_argument("--full", action="store_true", help="the long ones, too; those named by --only run anyway")
    asked = parser.parse_args()
    suites = [suite for suite in _longest_first(asked.kinds or KINDS) if _is_asked_for(suite, asked)]
    machine(_LIMIT_SECONDS)  # builds what is missing before the clock runs
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    played = _play_all(suites)
    _show(played, time.monotonic() - begin)
    return 1 if len(played) < len(suites) or any(it.status for it in played) else 0


def _is_asked_for(suite: Suite, asked: argparse.Namespace) -> bool:
    if asked.only:
        return suite.name in asked.only
    return asked.full or not suite.full


def _longest_first(kinds: Sequence[str]) -> list[Suite]:
    """Give the full ones, then the first suites of all kinds, their second ones, and so on."""
    rows = zip_longest(*map(suites_of, kinds))
    return sorted((suite for row in rows for suite in row if suite is not None), key=lambda suite: not suite.full)


def _play_all(suites: Sequence[Suite]) -> Sequence[Played]:
    """Give each CPU a guest, one after the other; whoever is free takes the next suite, the longest first."""
    cpus: SimpleQueue[int] = SimpleQueue()
    lanes = sorted(os.sched_getaffinity(0))
    for cpu in lanes:
        cpus.put(cpu)
    running: set[subprocess.Popen[str]] = set()

    def on_a_free_cpu(suite: Suite) -> Played:
        cpu = cpus.get()
        try:
            return _play(suite, cpu, running)
        finally:
            cpus.put(cpu)

    with ThreadPoolExecutor(len(lanes)) as pool:
        try:
            return list(pool.map(on_a_free_cpu, suites))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.terminate()
            raise


def _play(suite: Suite, cpu: int, running: set[subprocess.Popen[str]]) -> Played:
    """Run one suite; every line it says goes out with its name, and into its log."""
    _log_of(suite).parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.lab.run_guest",
            "--cpu",
            str(cpu),
            "--limit",
            str(_FULL_LIMIT_SECONDS if suite.full else _LIMIT_SECONDS),
            _script(suite),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=HOUSE,
    )
    running.add(process)
    assert process.stdout is not None
    with _log_of(suite).open("w") as log:
        for line in process.stdout:
            log.write(line)
            sys.stdout.write(f"{suite.kind} {suite.name} | {line}")
            sys.stdout.flush()
    _, ended, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(ended)
    running.remove(process)
    return Played(suite, process.returncode, time.monotonic() - begin, usage.ru_utime + usage.ru_stime)


def _script(suite: Suite) -> str:
    reports = (REPORTS / suite.kind).relative_to(HOUSE)
    return shlex.join(["tests/lab/guest/in-suite", suite.kind, suite.pool_in, suite.command.format(reports=reports)])


def _show(played: Sequence[Played], seconds: float) -> None:
    print()
    for it in played:
        result = "ok" if it.status == 0 else f"FAILED ({it.status})"
        print(
            f"  {it.suite.kind:10} {it.suite.name:12} {result:12} {it.seconds:5.0f} s, {it.busy_seconds:4.0f} s of a CPU"
        )
    busy = sum(it.busy_seconds for it in played)
    print(
        f"  {'all':23} {'':12} {seconds:5.0f} s, {busy:4.0f} s of a CPU; logs and JUnit XML in {REPORTS.relative_to(HOUSE)}"
    )
    for it in played:
        if it.status:
            _show_why(it.suite)


def _show_why(suite: Suite) -> None:
    """Say at the very end, which is all that some logs keep, what a failed suite said of its failure."""
    lines = _log_of(suite).read_text().splitlines()
    told = [line for line in lines if line.startswith(_TELLING)] or lines
    print(f"\nFAILED: {suite.kind} {suite.name}, {_log_of(suite).relative_to(HOUSE)} has all of it")
    print("\n".join(f"  {line}" for line in told[-_MOST_TOLD:]))


def _log_of(suite: Suite) -> Path:
    return REPORTS / suite.kind / f"{suite.name}.log"


if __name__ == "__main__":
    sys.exit(main())
