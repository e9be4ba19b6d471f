"""What `make test-lab` runs, kind by kind of pool: the one place where the lab's suites are listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.lab.guest import HOUSE

SYSTEM = HOUSE / "tests" / "system"
_MACHINE = "tests/contract/test_state_machine.py"
_POOL_IN_ANY_ORDER = f"{_MACHINE}::test_a_pool_keeps_every_promise_in_any_order_of_calls_and_restarts"
_DRIVER_IN_ANY_ORDER = f"{_MACHINE}::test_a_driver_keeps_every_promise_in_any_order_of_calls_and_kills"
_POWER_CUTS = "tests/system/power_cuts"
_RULES = "tests/system/csi"
_LONG = "--timeout 3000"
KINDS = ("loopfile", "lvm", "lvm-direct", "zfs")


@dataclass(frozen=True, slots=True)
class Suite:
    """A shell command for a guest of its own, where a pool of this kind is made when a variable is to name it.

    `{reports}` in the command is the folder for JUnit XML and logs. With `full`, it is one of those
    that take too long for every change: `make test-lab-full` runs them, `make test-lab` does not.
    """

    kind: str
    name: str
    command: str
    pool_in: str = ""
    full: bool = False


def suites_of(kind: str) -> Sequence[Suite]:
    """Give the suites of a kind of pool, the longest first."""
    if kind == "loopfile":  # make test runs all of them; here it is the kernel that differs
        return [*(replace(suite, full=True) for suite in _driver(kind, named="")), *_power_cuts(kind)]
    return [*_pool(kind), *_driver(kind, named="ROKCSI_TEST_POOL"), *_power_cuts(kind)]


def _driver(kind: str, named: str) -> Iterator[Suite]:
    """A served driver; `named` is the variable that names the pool to it, without which it makes one by itself."""
    yield Suite(kind, "crash", _pytest("crash", f"tests/system/crash/test_every_failpoint.py {_LONG}"), named)
    others = "lab" if kind == "loopfile" else "embedded"
    yield Suite(kind, "calls", _pytest("calls", f"{_RULES} -m 'not {others}'"), named)
    for mode in ("mount", "block"):
        yield Suite(kind, f"sanity-{mode}", f"python sanity/run.py --mode {mode} --reports {{reports}}", named)
    yield Suite(kind, "job", _pytest("job", f"tests/e2e/test_own_project.py {_LONG}"), "ROKCSI_POOL")
    yield Suite(kind, "demo", "python -m demo && python -m demo clean", "ROKCSI_POOL", full=True)
    any_driver = _pytest("any-driver", f"{_DRIVER_IN_ANY_ORDER} {_LONG}")
    if kind == "lvm":  # the sizes that are asked for there are those of a pool whose unit is a mebibyte at most
        any_driver = f"vgchange -q --physicalextentsize 1m lab && {any_driver}"
    yield Suite(kind, "any-driver", any_driver, named, full=True)


def _pool(kind: str) -> Iterator[Suite]:
    """The pool itself, which these tests make for themselves."""
    for name, marks in (("contract", "lab and not slow"), ("contract-slow", "lab and slow")):
        selected = f"tests/contract -m '{marks}' -k {_exactly(kind)} {_LONG}"
        yield Suite(kind, name, _pytest(name, selected), full=name.endswith("slow"))
    longer = _pytest("any-pool", f"{_POOL_IN_ANY_ORDER} -k {_exactly(kind)} {_LONG}")
    yield Suite(kind, "any-pool", f"ROKCSI_EXAMPLES=20 {longer}")
    own = " ".join(_files_about(kind)) or f"tests/system/pools/test_{_stem(kind)}.py"
    yield Suite(kind, "pool", _pytest("pool", f"{own} -m 'lab and not slow'"))
    if kind != "lvm-direct":  # which has none
        yield Suite(kind, "pool-slow", _pytest("pool-slow", f"{own} -m 'lab and slow'"))
    if kind == "lvm":
        # what is about no kind of pool
        about_pools = [_POWER_CUTS, _RULES, *(it for one in KINDS for it in _files_about(one))]
        others = " ".join(f"--ignore {each}" for each in about_pools)
        yield Suite(kind, "system", _pytest("system", f"tests/system -m lab {others}"))


def _power_cuts(kind: str) -> Iterator[Suite]:
    """The power goes at a few moments, and at many; each pool is looked at by its own means afterwards."""
    selected = f"{_POWER_CUTS} -k {_exactly(kind)} {_LONG}"
    yield Suite(kind, "power-cuts", _pytest("power-cuts", selected))
    yield Suite(kind, "50-power-cuts", f"ROKCSI_POWER_CUTS=50 {_pytest('50-power-cuts', selected)}", full=True)


def _files_about(kind: str) -> list[str]:
    """Give the files of tests of one kind of pool: of `lvm` without those of `lvm-direct`."""
    longer = tuple(f"test_{_stem(other)}" for other in KINDS if other.startswith(f"{kind}-"))
    found = [*SYSTEM.rglob(f"test_{_stem(kind)}.py"), *SYSTEM.rglob(f"test_{_stem(kind)}_*.py")]
    return sorted(str(file.relative_to(HOUSE)) for file in found if not file.stem.startswith(longer))


def _stem(kind: str) -> str:
    return kind.replace("-", "_")


def _exactly(kind: str) -> str:
    longer = [f"not {other}" for other in KINDS if other.startswith(f"{kind}-")]
    return f"'{' and '.join([kind, *longer])}'"


def _pytest(name: str, selected: str) -> str:
    return f"pytest -p no:cacheprovider --durations 5 --junit-xml {{reports}}/{name}.xml {selected}"
