"""Every pool, as it is served, behind the provisioner, in any order of calls, with restarts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.conftest import as_served
from tests.contract.csi_system import served_driver
from tests.contract.harnesses import HARNESSES, NEED_LAB, NEED_ROOT, marks_of
from tests.contract.machine import VolumesMachine
from tests.contract.systems import ProvisionerSystem, System

IN_MEMORY = settings(max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
# Making a failing run shorter takes hundreds of runs: seconds in memory, many minutes on real devices.
ON_DEVICES = settings(IN_MEMORY, max_examples=25, phases=[Phase.generate])
IN_A_PROCESS = settings(ON_DEVICES, max_examples=4, stateful_step_count=40)
# There a step takes up to a second; what is run when there is time asks for more.
IN_A_GUEST = settings(ON_DEVICES, max_examples=int(os.environ.get("ROKCSI_EXAMPLES", "3")), stateful_step_count=30)


def run_machine(fresh: Callable[[Path], AbstractContextManager[System]], folder: Path, limits: settings) -> None:
    """Run the machine many times, each in a folder of its own."""
    numbers = count()

    class Machine(VolumesMachine):
        @staticmethod
        def opening() -> AbstractContextManager[System]:
            place = folder / str(next(numbers))
            place.mkdir()
            return fresh(place)

    run_state_machine_as_test(Machine, settings=limits)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks_of(name)) for name in HARNESSES])
def test_a_pool_keeps_every_promise_in_any_order_of_calls_and_restarts(name: str, tmp_path: Path) -> None:
    @contextmanager
    def fresh(folder: Path) -> Iterator[System]:
        with HARNESSES[name](folder) as harness:
            yield ProvisionerSystem(harness, as_served)

    run_machine(fresh, tmp_path, _limits_of(name))


def _limits_of(name: str) -> settings:
    if name in NEED_LAB:
        return IN_A_GUEST
    return ON_DEVICES if name in NEED_ROOT else IN_MEMORY


@pytest.mark.system
@pytest.mark.slow
def test_a_driver_keeps_every_promise_in_any_order_of_calls_and_kills(tmp_path: Path) -> None:
    run_machine(served_driver, tmp_path, IN_A_PROCESS)
