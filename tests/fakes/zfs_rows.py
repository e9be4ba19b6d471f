"""Rows of ZFS's list, as short as a test wants them."""

from __future__ import annotations

from collections.abc import Mapping

from rokcsi.system.zfs import ZfsRow


def row(
    name: str,
    *,
    size: int = 1 << 20,
    origin: str | None = None,
    made_in: int = 10,
    used: int = 0,
    written: int = 0,
    reserved: int = 0,
    deferred: bool = False,
    receiving: bool = False,
    own: Mapping[str, str] | None = None,
) -> ZfsRow:
    """Give a row; a name with an @ is a snapshot's."""
    return ZfsRow(
        name=name,
        is_snapshot="@" in name,
        size=size,
        block_size=0 if "@" in name else 16384,
        origin=origin,
        made_in=made_in,
        used=used,
        written=written,
        reserved=reserved,
        deferred=deferred,
        receiving=receiving,
        own=own or {},
    )
