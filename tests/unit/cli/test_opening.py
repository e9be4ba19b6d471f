"""Which home folder a command works on, and which commands make one."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rokcsi.cli.rokcsi import app as rokcsi
from rokcsi.cli.rokctl import app as rokctl


@pytest.mark.parametrize(
    "command",
    ["get nb", "describe cp abcdef", "logs r/s", "url abcdef", "wait run r", "delete nb a", "pin abcdef", "cancel r"],
)
def test_asking_makes_no_home(tmp_path: Path, command: str) -> None:
    home = tmp_path / "nothere"
    result = CliRunner().invoke(rokctl, ["--home", str(home), *command.split()])
    assert result.exit_code == 3
    assert f"nothing has been made in {home} yet" in result.stderr
    assert not home.exists()


def test_a_relative_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(rokctl, ["--home", "relative", "get", "nb"])
    assert result.exit_code == 2
    assert "--home" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_clears_nothing_where_nobody_can_be_asked(tmp_path: Path) -> None:
    result = CliRunner().invoke(rokcsi, ["doctor", "--fix", "--home", str(tmp_path)])
    assert result.exit_code == 2
    assert "add --yes" in result.stderr
