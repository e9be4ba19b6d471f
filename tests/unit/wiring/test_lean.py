"""The driver's process stays small: what it must never import, and how it becomes itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("pydantic", "pydantic_settings", "typer", "rich", "click", "sqlalchemy", "kubernetes", "structlog", "yaml")


def test_the_drivers_process_imports_nothing_heavy() -> None:
    program = "import rokcsi.wiring.serve_all, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ)
    )
    modules = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not modules.intersection(HEAVY)


@pytest.mark.parametrize("effective", [None, "{}", "nonsense"])
def test_started_by_hand_it_says_how_it_is_started(effective: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ROKCSI_EFFECTIVE"}
    if effective is not None:
        environment["ROKCSI_EFFECTIVE"] = effective
    done = subprocess.run(
        [sys.executable, "-m", "rokcsi.wiring.serve_all"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    assert done.returncode == 1
    assert done.stderr == "error: this is started by `rokcsi serve all`, not by hand\n"
