"""Where the programs begin: `rokcsi` and `rokctl` import no more than the command at hand needs.

Importing takes a second on a slow machine. Who presses Ctrl-C meanwhile gets a word and status
130, as at any other moment, and no traceback of an import.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_INTERRUPTED = 130  # `rokcsi.wiring.exits` has it too, and more than is wanted here


def main() -> None:
    """Run `rokcsi`; the console script's entry."""
    with _loading():
        if sys.argv[1:2] == ["serve"]:
            from rokcsi.cli.serve import app  # noqa: PLC0415 - a driver is to be there soon
        else:
            from rokcsi.cli.rokcsi import app  # noqa: PLC0415 - see above
    app(prog_name="rokcsi")


def rokctl() -> None:
    """Run `rokctl`; the console script's entry."""
    with _loading():
        from rokcsi.cli.rokctl import main as run  # noqa: PLC0415 - Ctrl-C is heard before this is there
    run()


@contextmanager
def _loading() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # in the background of a shell it is ignored, and stays so
        signal.signal(signal.SIGINT, _end_at_once)
    yield
    signal.signal(signal.SIGINT, before)


def _end_at_once(_number: int, _frame: object) -> None:
    sys.stderr.write("interrupted: nothing was begun\n")
    sys.stderr.flush()
    os._exit(_INTERRUPTED)  # an exception would come out of whatever module is being imported


if __name__ == "__main__":
    main()
