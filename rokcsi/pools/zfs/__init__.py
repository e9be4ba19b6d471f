"""The ZFS pool: a volume is a zvol, a snapshot a snapshot of it, a clone a clone; all below one dataset.

There is no database: what a volume or snapshot is stands in a user property of its own
(`records`), and the index is read from them at the start. Read `pool` first; `home` is how it
is opened, `making`, `cutting` and `burial` what changes it, with the channel programs in
`programs/`; `places` says what is called how, the dead included, and `room` how much fits.
"""

from rokcsi.pools.zfs.pool import ZfsPool

__all__ = ["ZfsPool"]
