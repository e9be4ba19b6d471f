"""When a run of Kubernetes' storage suite is good."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.kubernetes.verdict import LEFT_OUT, LISTED, Ran, complaints, read_listed, read_run, short, together

BEFORE = "[It] [sig-storage] External Storage [Driver: rokcsi.dev] "
XML = f"""<testsuites><testsuite>
<testcase name="{BEFORE}[Testpattern: A] volumes should store data [sig-storage, Feature:X]" status="passed" time="3.5"/>
<testcase name="{BEFORE}[Testpattern: B] volumes should not [sig-storage]" status="skipped">
  <skipped message="skipped - Driver &quot;rokcsi.dev&quot; does not"/></testcase>
<testcase name="{BEFORE}[Testpattern: C] disruptive[Disruptive] [Slow] goes on [x]" status="skipped">
  <skipped message="skipped"/></testcase>
<testcase name="[It] [sig-storage] Another suite [x]" status="failed"><failure/></testcase>
</testsuite></testsuites>"""
LIST = "# because it cannot\n[Testpattern: B] volumes should not\n\n# only then\n[Testpattern: C] goes on [Slow]\n"


@pytest.fixture
def ran(tmp_path: Path) -> dict[str, Ran]:
    (tmp_path / "junit.xml").write_text(XML)
    return dict(together([read_run(tmp_path / "junit.xml")], full=False))


def test_a_run_is_what_was_chosen_of_the_external_suite(ran: dict[str, Ran]) -> None:
    assert [(each.status, each.why, each.seconds) for each in ran.values()] == [
        ("passed", "", 3.5),
        ("skipped", 'Driver "rokcsi.dev" does not', 0.0),
    ]


def test_a_run_whose_skipped_specs_are_those_listed_is_good(ran: dict[str, Ran]) -> None:
    assert not list(complaints(ran, read_listed(LIST), full=False))


@pytest.mark.parametrize(
    ("listed", "full", "told"),
    [
        ("", False, 'skipped, and not listed: [Testpattern: B] volumes should not: Driver "rokcsi.dev" does not'),
        (LIST, True, "listed as skipped, and not there: [Testpattern: C] goes on [Slow]"),
        (
            f"{LIST}[Testpattern: A] volumes should store data\n",
            False,
            "listed as skipped, and passed: [Testpattern: A] volumes should store data",
        ),
        ("[Testpattern: B] volumes should not", False, "listed without a reason: [Testpattern: B] volumes should not"),
    ],
)
def test_what_is_not_tested_cannot_change_unseen(ran: dict[str, Ran], listed: str, told: str, *, full: bool) -> None:
    assert list(complaints(ran, read_listed(listed), full=full)) == [told]


@pytest.mark.parametrize("status", ["failed", "timedout", "panicked", "interrupted", "aborted", "pending"])
def test_a_spec_that_did_not_pass_is_named(status: str) -> None:
    assert list(complaints({"a": Ran("a", status)}, {}, full=False)) == [f"{status}: a"]


def test_a_name_keeps_the_tags_that_choose_it_and_no_other_labels() -> None:
    assert short("[Testpattern: A] [Serial] x should y [Slow] [sig-storage, Slow]") == (
        "[Testpattern: A] x should y [Serial] [Slow]"
    )


def test_every_listed_spec_has_a_reason() -> None:
    assert all(read_listed(LISTED.read_text()).values())


def test_a_full_run_answers_for_what_it_has_left_out(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(XML)
    ran = together([read_run(tmp_path / "junit.xml")], full=True)
    short_list, name = LIST.partition("\n\n")[0], "[Testpattern: C] disruptive goes on [Disruptive] [Slow]"
    assert list(complaints(ran, read_listed(f"{short_list}\n{name}\n"), full=True)) == []
    assert list(complaints(ran, read_listed(short_list), full=True)) == [f"skipped, and not listed: {name}: {LEFT_OUT}"]


def test_what_one_of_several_runs_has_chosen_is_not_left_out(tmp_path: Path) -> None:
    chosen = Ran("[Testpattern: C] goes on [Slow]", "passed", "", 2.0)
    (tmp_path / "junit.xml").write_text(XML)
    for runs in ([[chosen], read_run(tmp_path / "junit.xml")], [read_run(tmp_path / "junit.xml"), [chosen]]):
        assert together(runs, full=True)[chosen.name] == chosen
