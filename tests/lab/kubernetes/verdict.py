"""Judges a run of Kubernetes' storage suite by its JUnit files: `python -m tests.lab.kubernetes.verdict [--full] FILE…`.

A spec that failed fails the run. So does one that was skipped and is not among those listed
in `skipped.txt`, and one that is listed there and was not skipped; so what is not tested
cannot grow, nor shrink, unseen. What `storage-suite` leaves out of a full run counts as skipped.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LISTED = Path(__file__).with_name("skipped.txt")
OURS = re.compile(r"\[It\] (?:\[[^]]*\] )?External Storage \[Driver: [^]]*\] (.*)")
FULL_ONLY = re.compile(r"\[(?:Slow|Serial|Disruptive)\]")
_LABELS = re.compile(r"(?: \[[^][]*\])+$")
_NOT_CHOSEN = "skipped"
LEFT_OUT = "left out by storage-suite"


@dataclass(frozen=True, slots=True)
class Ran:
    """One spec: its name without the driver's and the labels, what became of it, why it was skipped."""

    name: str
    status: str
    why: str = ""
    seconds: float = 0.0


def read_run(file: Path) -> Iterator[Ran]:
    """Give the specs of a run; those that it did not choose are `LEFT_OUT`."""
    for case in ET.parse(file).getroot().iter("testcase"):
        found = OURS.fullmatch(case.get("name", ""))
        skipped = case.find("skipped")
        why = skipped.get("message", "") if skipped is not None else ""
        if found:
            told = LEFT_OUT if why == _NOT_CHOSEN else why.removeprefix("skipped - ")
            yield Ran(short(found[1]), case.get("status", ""), told, float(case.get("time") or 0))


def together(runs: Iterable[Iterable[Ran]], *, full: bool) -> Mapping[str, Ran]:
    """Give what became of each spec in all runs; of those that none has chosen, the ones that only a full run has to."""
    ran = dict[str, Ran]()
    for each in (each for run in runs for each in run):
        if each.why != LEFT_OUT or (full and each.name not in ran):
            ran[each.name] = each
    return ran


def short(name: str) -> str:
    """Give a spec's name without the labels behind it, which change from version to version; tags that choose it stay."""
    tags = "".join(f" {tag}" for tag in sorted(set(FULL_ONLY.findall(name))))
    bare = _LABELS.sub("", FULL_ONLY.sub("", name))
    return " ".join(f"{bare}{tags}".split())


def read_listed(text: str) -> Mapping[str, str]:
    """Give the specs that may be skipped, each with its reason; a reason stands above its specs, behind `#`."""
    listed, reason = dict[str, str](), ""
    for line in text.splitlines():
        if line.startswith("#"):
            reason = line.lstrip("# ")
        elif line.strip():
            listed[line.strip()] = reason
    return listed


def complaints(ran: Mapping[str, Ran], listed: Mapping[str, str], *, full: bool) -> Iterator[str]:
    """Give what is wrong with a run."""
    expected = {name for name in listed if full or not FULL_ONLY.search(name)}
    for name, each in sorted(ran.items()):
        match each.status:
            case "passed":
                if name in expected:
                    yield f"listed as skipped, and passed: {name}"
            case "skipped":
                if name not in expected:
                    yield f"skipped, and not listed: {name}: {each.why}"
            case _:
                yield f"{each.status}: {name}"
    yield from (f"listed as skipped, and not there: {name}" for name in sorted(expected.difference(ran)))
    yield from (f"listed without a reason: {name}" for name in sorted(expected) if not listed[name])


def main() -> int:
    """Tell the verdict; give the exit status."""
    full = "--full" in sys.argv
    files = [Path(each) for each in sys.argv[1:] if each != "--full"]
    ran = together(map(read_run, files), full=full)
    wrong = list(complaints(ran, read_listed(LISTED.read_text(encoding="utf-8")), full=full))
    for each in wrong:
        print(each)
    passed = sum(each.status == "passed" for each in ran.values())
    skipped = sum(each.status == "skipped" for each in ran.values())
    print(f"{len(ran)} specs: {passed} passed, {skipped} skipped for a listed reason or not, {len(wrong)} complaints")
    return 1 if wrong or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
