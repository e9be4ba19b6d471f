"""A pool on the thin devices of an LVM thin pool that LVM itself puts nothing into.

Read `journal` first (how records outlive a crash), then `ledger` (what is in the pool),
then `volumes` and `cutting`. Thin devices are made by messages to the kernel; no process is
started but for activating the pool.
"""

from rokcsi.pools.lvm_direct.pool import LvmDirectPool

__all__ = ["LvmDirectPool"]
