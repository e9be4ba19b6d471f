"""A run of csi-sanity is good only when exactly the expected cases were skipped and nothing failed."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

from sanity.verdict import CASES, complaints, read_expected_skips, read_outcome

SKIPS = read_expected_skips(Path("sanity/expected-skips.txt"))
PASSED = frozenset(f"case {number}" for number in range(CASES - len(SKIPS)))


def report(folder: Path, statuses: dict[str, str]) -> Path:
    """Write a report as Ginkgo does."""
    cases = "".join(
        f'<testcase name={quoteattr(f"[It] {name}")} status="{status}">'
        + ('<failure message="no">no</failure>' if status == "failed" else "")
        + "</testcase>"
        for name, status in statuses.items()
    )
    hooks = '<testcase name="[BeforeSuite]" status="passed"/><testcase name="[It] off" status="pending"/>'
    path = folder / "report.xml"
    path.write_text(f"<testsuites><testsuite>{hooks}{cases}</testsuite></testsuites>")
    return path


def told(folder: Path, changes: dict[str, str]) -> str:
    """Give the complaints about a good run with these changes."""
    good = dict.fromkeys(PASSED, "passed") | dict.fromkeys(SKIPS, "skipped")
    return "\n".join(complaints(read_outcome(report(folder, good | changes)), SKIPS))


def test_ten_cases_are_expected_to_be_skipped() -> None:
    assert len(SKIPS) == 10
    assert len(PASSED) == 85


def test_the_promised_result_has_no_complaint(tmp_path: Path) -> None:
    assert told(tmp_path, {}) == ""


def test_a_failed_case_is_told_with_its_reason(tmp_path: Path) -> None:
    assert told(tmp_path, {"case 1": "failed"}) == "failed: case 1: no"


def test_an_interrupted_case_counts_as_failed(tmp_path: Path) -> None:
    assert told(tmp_path, {"case 1": "interrupted"}) == "failed: case 1"


def test_another_case_skipped_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, {"case 1": "skipped"}) == "skipped, but has to run: case 1"


def test_an_expected_skip_that_ran_is_told(tmp_path: Path) -> None:
    name = min(SKIPS)
    assert told(tmp_path, {name: "passed"}) == f"ran, but is expected to be skipped: {name}"


def test_a_case_too_many_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, {"new": "passed"}).startswith("96 cases were seen")
