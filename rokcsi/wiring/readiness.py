"""Whether a serving process takes calls just now, and the port where it says so beside its metrics."""

from __future__ import annotations

from contextlib import ExitStack

from prometheus_client import CollectorRegistry

from rokcsi.observe.pages import MetricsPages


class Readiness:
    """Why the process does not take calls just now; None when it does."""

    def __init__(self) -> None:
        self.reason: str | None = "starting"

    def ready(self) -> bool:
        """Answer Probe."""
        return self.reason is None

    def why_not(self) -> str | None:
        """Answer /readyz."""
        return self.reason


def open_pages(address: str | None, registry: CollectorRegistry, readiness: Readiness, parts: ExitStack) -> str | None:
    """Serve metrics and health where the settings say, until `parts` ends; give HOST:PORT. Raises SocketTaken."""
    if address is None:
        return None
    pages = MetricsPages(address, registry, readiness.why_not)
    pages.start()
    parts.callback(pages.stop)
    return pages.address
