"""The serving processes stay small: what they must never import, and how they become themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("pydantic", "pydantic_settings", "typer", "rich", "click", "sqlalchemy", "kubernetes", "structlog", "yaml")


ROLES = ("all", "node", "controller", "timeline")


def modules_of(role: str) -> set[str]:
    """Give what a role's process has imported before it serves."""
    program = f"import rokcsi.wiring.serve_{role}, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ)
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("role", ROLES)
def test_a_serving_process_imports_nothing_heavy(role: str) -> None:
    assert not {name.partition(".")[0] for name in modules_of(role)}.intersection(HEAVY)


@pytest.mark.parametrize("role", ["all", "node"])
def test_a_process_with_storage_knows_nothing_of_the_switchboard_nor_of_kubernetes(role: str) -> None:
    assert not [name for name in modules_of(role) if name.startswith(("rokcsi.switchboard", "rokcsi.kube"))]


@pytest.mark.parametrize("role", ["controller", "timeline"])
def test_the_switchboard_and_the_timeline_know_nothing_of_storage(role: str) -> None:
    storage = ("rokcsi.pools", "rokcsi.mounting", "rokcsi.volumes", "rokcsi.system")
    assert not [name for name in modules_of(role) if name.startswith(storage)]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("effective", [None, "{}", "[]", "nonsense"])
def test_started_by_hand_it_says_how_it_is_started(role: str, effective: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ROKCSI_EFFECTIVE"}
    if effective is not None:
        environment["ROKCSI_EFFECTIVE"] = effective
    done = subprocess.run(
        [sys.executable, "-m", f"rokcsi.wiring.serve_{role}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    assert done.returncode == 1
    assert done.stderr == f"error: this is started by `rokcsi serve {role}`, not by hand\n"
