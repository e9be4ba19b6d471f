"""How much room a pool has, as lines of its page: `rokctl describe pool` and `rokcsi pool describe` show the same."""

from __future__ import annotations

from rokcsi.cli.page import Page
from rokcsi.cli.words import share
from rokcsi.model.pool import Capacity
from rokcsi.model.sizes import Bytes


def room_lines(page: Page, capacity: Capacity) -> None:
    """Add what is known of a pool's room to its page."""
    page.line("Total", _exactly(capacity.total))
    page.line("Used", _exactly(capacity.used))
    page.line("Kept for others", _exactly(capacity.kept))
    page.line("Promised", _exactly(capacity.promised))
    page.line("Available", _exactly(capacity.available))
    page.line("Metadata used", share(capacity.metadata_used))


def _exactly(size: Bytes) -> str:
    return f"{size} ({int(size)} bytes)"
