"""No test is skipped in silence: a suite that skipped one has failed, and says what was missing."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SKIPPED: list[str] = []


def pytest_configure() -> None:
    """Have Ctrl-C heard, by the programs that tests start, too: a shell has what is in its background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        SKIPPED.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if SKIPPED and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for told in SKIPPED:
        terminalreporter.write_line(f"skipped, which counts as a failure here: {told}", red=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: sockets allow 107 bytes, pytest's own folders are longer."""
    made = Path(tempfile.mkdtemp(prefix="rokcsi-"))
    yield made
    shutil.rmtree(made)
