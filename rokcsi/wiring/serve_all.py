"""The driver's process: identity, controller, group controller and node of one machine on one unix socket.

Started by `becoming` as `python -m rokcsi.wiring.serve_all`. It must stay small (see `lean`).

    open → serve → signal → drain → close the pool
"""

from __future__ import annotations

import sys
from contextlib import ExitStack

from rokcsi.config.settings import ServeSettings
from rokcsi.wiring.driver import open_driver
from rokcsi.wiring.lean import run
from rokcsi.wiring.serving import Signals


def main() -> int:
    """Serve until a signal comes; give the exit status."""
    return run("all", ServeSettings.from_json, _serve)


def _serve(settings: ServeSettings, parts: ExitStack) -> None:
    signals = Signals()
    driver = open_driver(settings, parts)
    server = driver.server()
    server.start()
    driver.readiness.reason = None
    print(driver.starting_line(server.endpoint), flush=True)  # noqa: T201 - the one line promised
    with driver.trimming():
        signals.wait()
    driver.readiness.reason = "draining"
    signals.drain(server)


if __name__ == "__main__":
    sys.exit(main())
