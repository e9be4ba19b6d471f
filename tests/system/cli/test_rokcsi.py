"""`rokcsi pool`, `doctor` and `config` as processes, on an XFS of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
PATIENCE_SECONDS = 60
Rokcsi = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on an XFS with reflinks, so that what is in a pool can be reached when it is closed."""
    image, folder = tmp_path / "disk.xfs", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(1 << 30)
    subprocess.run(["mkfs.xfs", "-q", str(image)], check=True, timeout=PATIENCE_SECONDS)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True, timeout=PATIENCE_SECONDS)
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=PATIENCE_SECONDS)


@pytest.fixture
def rokcsi(disk: Path, tmp_path: Path) -> Rokcsi:
    environment = {
        **os.environ,
        "ROKCSI_CONFIG": "",
        "ROKCSI_HOME": str(tmp_path / "home"),
        "ROKCSI_POOL": f"loopfile:{disk / 'pool'}",
    }

    def run(*arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rokcsi.cli.entry", *arguments],
            input=answer,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
            env=environment,
        )

    return run


def test_a_pool_is_made_described_and_checked(rokcsi: Rokcsi, disk: Path) -> None:
    missing = rokcsi("pool", "describe")
    assert (missing.returncode, missing.stderr.count("\n")) == (3, 1)
    assert "rokcsi pool create" in missing.stderr
    assert not (disk / "pool").exists()
    assert rokcsi("pool", "create").returncode == 0
    assert rokcsi("pool", "create").returncode == 0, "making it again changes nothing"
    report = json.loads(rokcsi("pool", "describe", "-o", "json").stdout)
    assert report["name"] == f"loopfile:{disk / 'pool'}"
    assert (report["volumes"], report["snapshots"]) == (0, 0)
    assert report["capacity"]["total"] > 0
    assert rokcsi("pool", "check").stdout == "nothing left over\n"


def test_the_doctor_shows_what_is_left_over_and_clears_it_only_when_told(rokcsi: Rokcsi, disk: Path) -> None:
    rokcsi("pool", "create")
    stray = disk / "pool" / "volumes" / "stray"
    stray.write_text("nobody's")
    assert rokcsi("pool", "check").returncode == 1
    shown = rokcsi("doctor")
    assert shown.returncode == 1
    assert str(stray) in shown.stdout
    assert "Nothing was changed yet" in shown.stderr
    refused = rokcsi("doctor", "--fix", answer="y\n")
    assert (refused.returncode, stray.exists()) == (2, True)
    assert "add --yes" in refused.stderr
    fixed = rokcsi("doctor", "--fix", "--yes")
    assert (fixed.returncode, stray.exists()) == (0, False), fixed.stderr
    assert f"cleared: file {stray}" in fixed.stderr
    well = rokcsi("doctor", "-o", "json")
    assert well.returncode == 0
    assert json.loads(well.stdout)["pool"] == []


def test_the_doctor_never_removes_what_is_damaged(rokcsi: Rokcsi, disk: Path) -> None:
    rokcsi("pool", "create")
    damaged = disk / "pool" / "volumes" / ("0" * 32)
    damaged.write_text("somebody's")
    assert str(damaged) in rokcsi("doctor").stdout
    fixed = rokcsi("doctor", "--fix", "--yes")
    assert (fixed.returncode, damaged.read_text()) == (1, "somebody's"), fixed.stderr
    stray = disk / "pool" / "volumes" / "stray"
    stray.touch()
    fixed = rokcsi("doctor", "--fix", "--yes")
    assert (fixed.returncode, damaged.exists(), stray.exists()) == (1, True, False)
    assert f"kept: damaged file {damaged}" in fixed.stderr


def test_the_settings_in_force_are_shown_with_their_origin_and_make_a_settings_file(
    rokcsi: Rokcsi, tmp_path: Path
) -> None:
    shown = json.loads(rokcsi("config", "-o", "json").stdout)
    assert shown["home"] == {"value": str(tmp_path / "home"), "from": "environment ROKCSI_HOME"}
    assert shown["max_workers"]["from"] == "default"
    file = tmp_path / "rokcsi.toml"
    file.write_text(rokcsi("config", "-o", "toml").stdout)
    again = json.loads(rokcsi("config", "-o", "json", "--config", str(file)).stdout)
    assert {name: each["value"] for name, each in again.items()} == {
        name: each["value"] for name, each in shown.items()
    }
    assert again["max_workers"]["from"] == f"file {file}"


def test_debug_shows_where_an_error_came_from_and_without_it_there_is_no_traceback(rokcsi: Rokcsi) -> None:
    assert "Traceback" in rokcsi("--debug", "pool", "describe").stderr
    assert "Traceback" not in rokcsi("pool", "describe").stderr
