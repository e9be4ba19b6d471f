"""How the programs end: one line on standard error and a status, whatever happens and whenever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rokcsi.cli.forgetting import parsed_age
from rokcsi.model.errors import InvalidRequest

# Ctrl-C comes in the middle of an import, just before the module of this name is there.
INTERRUPTED_IMPORT = """
import os, signal, sys

module, program = sys.argv[1:]

class Interrupts:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests may ignore it
sys.meta_path.insert(0, Interrupts())
from rokcsi.cli import entry
sys.argv = [program, "version"]
getattr(entry, program)()
"""


def ended(*argv: str, stdout: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("module", "program"),
    [("rokcsi.cli.rokctl", "rokctl"), ("sqlalchemy", "rokctl"), ("rokcsi.cli.rokcsi", "main"), ("typer", "main")],
)
def test_ctrl_c_while_modules_load_ends_with_130_and_no_traceback(module: str, program: str) -> None:
    result = ended(sys.executable, "-c", INTERRUPTED_IMPORT, module, program, stdout=subprocess.DEVNULL)
    assert (result.returncode, result.stderr) == (130, "interrupted: nothing was begun\n")


@pytest.mark.parametrize("program", ["rokctl", "rokcsi"])
def test_output_that_cannot_be_written_is_one_line_and_no_traceback(program: str) -> None:
    with Path("/dev/full").open("w") as full:
        result = ended(str(Path(sys.executable).parent / program), "version", stdout=full.fileno())
    assert (result.returncode, result.stderr) == (1, "error: No space left on device\n")


@pytest.mark.parametrize("text", ["99999999999999999d", "9" * 5000 + "s", "1000000000w"])
def test_an_age_that_no_calendar_has_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parsed_age(text)
