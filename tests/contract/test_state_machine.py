"""Every pool, as it is served, behind the provisioner, in any order of calls, with restarts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.conftest import as_served
from tests.contract.harnesses import HARNESSES, NEED_ROOT
from tests.contract.machine import VolumesMachine
from tests.contract.systems import ProvisionerSystem, System

RUNS, ROOT_RUNS = 150, 30


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.system] if name in NEED_ROOT else []) for name in HARNESSES]
)
def test_any_order_of_calls_and_restarts_keeps_every_promise(name: str, tmp_path: Path) -> None:
    numbers = count()

    @contextmanager
    def fresh() -> Iterator[System]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        with HARNESSES[name](folder) as harness:
            yield ProvisionerSystem(harness, as_served)

    class Machine(VolumesMachine):
        @staticmethod
        def opening() -> AbstractContextManager[System]:
            return fresh()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=ROOT_RUNS if name in NEED_ROOT else RUNS,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
