"""`make lab-guest POOL=lvm CMD='…'`: one command, in a guest of its own, beside a driver that serves a fresh pool."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from dataclasses import replace

from tests.lab.guest import OutOfTime, run
from tests.lab.sharing import machine
from tests.lab.suites import KINDS


def main() -> int:
    """Run it; give its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.run_guest", description=__doc__)
    parser.add_argument("--pool", choices=KINDS, help="make a pool of this kind, and serve it; else the guest alone")
    parser.add_argument("--limit", type=float, default=1800.0, metavar="SECONDS", help="end the guest after them")
    parser.add_argument("--cpu", type=int, default=0, metavar="NUMBER", help="pin it to this CPU")
    parser.add_argument("command", help="what the guest's shell is to run, in the project's folder")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    command = asked.command
    if asked.pool:
        command = f"tests/lab/guest/with-driver {asked.pool} {shlex.quote(command)}"
    guest = replace(machine(asked.limit), cpu=asked.cpu)
    try:
        return run(guest, command, lambda line: print(line, flush=True))
    except OutOfTime as error:
        sys.stderr.write(f"lab: {error}\n")
        return 124
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
