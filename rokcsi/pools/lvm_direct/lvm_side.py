"""What this pool asks of LVM: that its thin pool is active, and that LVM keeps no volumes in it."""

from __future__ import annotations

from typing import Protocol

from rokcsi.system.lvm import Lvm


class LvmSide(Protocol):
    """LVM, as far as this pool needs it; asked when the pool is opened and never again."""

    def activate_pool(self, name: str) -> None:
        """Activate a thin pool; raise LvmRefused."""

    def has_volumes(self, name: str) -> bool:
        """Tell whether LVM keeps thin volumes of its own in a thin pool; raise LvmRefused."""


class LvmCommands:
    """LVM by its commands, for one volume group."""

    def __init__(self, lvm: Lvm) -> None:
        self._lvm = lvm

    def activate_pool(self, name: str) -> None:
        """Activate a thin pool."""
        self._lvm.activate_pool(name)

    def has_volumes(self, name: str) -> bool:
        """Tell whether a thin volume of LVM's has this pool."""
        return any(volume.pool == name for volume in self._lvm.report().volumes)
