"""The reference pages and the product say the same: no command, option, setting, metric or error without its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client import generate_latest
from typer.testing import CliRunner

from rokcsi.cli.nouns import NOUNS
from rokcsi.cli.rokcsi import app as rokcsi_app
from rokcsi.cli.rokctl import app as rokctl_app
from rokcsi.config.declared import Declared
from rokcsi.csi.status import refusal
from rokcsi.model import errors
from rokcsi.observe.metrics import Metrics
from rokcsi.observe.pool_metrics import PoolMetrics
from rokcsi.observe.switchboard_metrics import SwitchboardMetrics
from rokcsi.observe.timeline_metrics import TimelineMetrics
from rokcsi.pools.memory import MemoryPool
from rokcsi.wiring.exits import exit_status

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
EVERYWHERE = {"--help", "--install-completion", "--show-completion"}


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Give every command that can be run, with its whole name."""
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from commands(child, f"{path} {name}")


def all_commands() -> list[tuple[str, Any]]:
    return [
        *commands(typer.main.get_command(rokcsi_app), "rokcsi"),
        *commands(typer.main.get_command(rokctl_app), "rokctl"),
    ]


@pytest.mark.parametrize(("name", "command"), all_commands(), ids=[name for name, _ in all_commands()])
def test_every_command_has_its_section_with_all_its_options(name: str, command: Any) -> None:
    text = page(f"{name.split(maxsplit=1)[0]}.md")
    sections = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert name in sections
    for parameter in command.params:
        for option in getattr(parameter, "opts", []):
            if option.startswith("-") and option not in EVERYWHERE:
                assert f"`{option}`" in sections[name] or f"`{option} " in sections[name], f"{name}: {option}"


@pytest.mark.parametrize("name", [name for name, _ in all_commands()])
def test_every_command_prints_its_help(name: str) -> None:
    program, *words = name.split()
    answer = CliRunner().invoke(rokcsi_app if program == "rokcsi" else rokctl_app, [*words, "--help"])
    assert answer.exit_code == 0, answer.output
    assert "Usage:" in answer.output


def test_no_section_tells_of_a_command_that_is_not_there() -> None:
    there = {name for name, _ in all_commands()}
    for program in ("rokcsi", "rokctl"):
        for title in re.findall(rf"^## `({program} [^`]+)`", page(f"{program}.md"), re.MULTILINE):
            assert title in there


def test_every_command_says_in_its_help_what_it_does() -> None:
    for name, command in all_commands():
        assert command.help, name


def test_every_kind_is_listed_with_all_its_names() -> None:
    for noun in NOUNS:
        row = next(line for line in page("rokctl.md").splitlines() if line.startswith(f"| `{noun.plural}`"))
        for word in noun.names:
            assert f"`{word}`" in row


def test_every_setting_has_its_row_and_no_row_is_without_a_setting() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", page("settings.md"), re.MULTILINE)
    assert sorted(rows) == sorted(Declared.model_fields)


def test_every_metric_has_its_row_and_no_row_is_without_a_metric(tmp_path: Path) -> None:
    metrics = Metrics("0")
    PoolMetrics(MemoryPool(tmp_path), metrics.registry)
    SwitchboardMetrics(metrics.registry)
    TimelineMetrics(metrics.registry)
    there = set(re.findall(r"^# TYPE (rokcsi_\w+) ", generate_latest(metrics.registry).decode(), re.MULTILINE))
    there = {name for name in there if not name.endswith("_created")}
    assert set(re.findall(r"^\| `(rokcsi_\w+)` \|", page("metrics.md"), re.MULTILINE)) == there


def families() -> list[type[errors.RokcsiError]]:
    return list(errors.RokcsiError.__subclasses__())


@pytest.mark.parametrize("family", families(), ids=[family.__name__ for family in families()])
def test_every_family_of_errors_has_its_row_with_status_and_exit_status(family: type[errors.RokcsiError]) -> None:
    row = next(line for line in page("errors.md").splitlines() if line.startswith(f"| `{family.__name__}`"))
    assert f"`{refusal(family('x')).code.name}`" in row
    assert row.endswith(f"| {exit_status(family('x'))} |")
