"""What `-o name` prints is what every command takes; a thing of another kind is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.cli.nouns import kind_and_names, name_in
from rokcsi.model.errors import InvalidRequest
from tests.unit.cli.conftest import Rokctl


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("n1", "notebook", "n1"),
        ("notebook/n1", "notebook", "n1"),
        ("nb/n1", "notebook", "n1"),
        ("cp/abcdef", "checkpoint", "abcdef"),
        ("/rok/swift/v1/default/b/o?version=1", "checkpoint", "/rok/swift/v1/default/b/o?version=1"),
        ("https://rok/swift/v1/default/b/o", "checkpoint", "https://rok/swift/v1/default/b/o"),
        ("step/r-1/load", "step", "r-1/load"),
        ("r-1/load", "step", "r-1/load"),
        ("run/load", "step", "run/load"),
        ("notebooks/n1", "object", "notebooks/n1"),
        ("object/notebooks/n1", "object", "notebooks/n1"),
    ],
)
def test_a_name_may_have_its_kind_before_it(text: str, kind: str, name: str) -> None:
    assert name_in(text, kind) == name


def test_a_thing_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="'cp/xx' names a checkpoint; a notebook is wanted"):
        kind_and_names("nb/n1", ["nb/n2", "cp/xx"])
    assert kind_and_names("nb/n1", ["nb/n2", "n3"])[1] == ["n1", "n2", "n3"]


def test_every_command_takes_what_get_prints_as_a_name(rokctl: Rokctl, notebook: str, pipeline: Path) -> None:
    assert rokctl("get", "nb", "-o", "name").stdout == f"notebook/{notebook}\n"
    rokctl("checkpoint", f"notebook/{notebook}")
    (taken,) = rokctl("get", "cp", "-o", "name").stdout.split()
    for command in ("pin", "unpin", "url", "restore", "get", "describe"):
        rokctl(command, taken)
    assert rokctl("exec", f"nb/{notebook}", "--", "load", ok=False).exit_code == 0
    rokctl("run", str(pipeline), "--notebook", f"notebook/{notebook}", ok=False)
    (run,) = rokctl("get", "runs", "-o", "name").stdout.split()
    assert rokctl("wait", run, ok=False).stdout == f"{run} failed\n"
    steps = rokctl("get", "steps", "--run", run, "-o", "name").stdout.split()
    assert rokctl("logs", steps[0]).stdout == "loaded\n"
    assert rokctl("describe", steps[0], "-o", "name").stdout == f"{steps[0]}\n"
    (before, *_) = rokctl("get", "cp", "--run", run, "-o", "name").stdout.split()
    assert rokctl("resume", run, "--checkpoint", before, ok=False).exit_code == 1
    for each in rokctl("get", "objects", "-o", "name").stdout.split():
        rokctl("describe", each)
    assert rokctl("delete", run, "--yes").stdout == f"{run} deleted\n"


def test_a_page_of_details_has_no_wide_form_and_says_so(rokctl: Rokctl, notebook: str) -> None:
    result = rokctl("describe", "nb", notebook, "-o", "wide", ok=False)
    assert result.exit_code == 2
    assert "json, yaml or name" in result.stderr


def test_waiting_needs_one_name(rokctl: Rokctl) -> None:
    result = rokctl("wait", "run", ok=False)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "name one run to wait for" in result.stderr
