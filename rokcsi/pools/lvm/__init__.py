"""The pool of logical volumes: every volume and snapshot is a thin one that admins see with `lvs`.

There is no database: what a volume or snapshot is stands in the tags of its logical volume
(`records`), and the `inventory` is read from them at the start. Read `pool` first; `opened` is
how it begins, `volumes` and `cutting` what LVM is told, `attachments` what the kernel shows,
`mending` and `leftovers` what a crash leaves.
"""

from rokcsi.pools.lvm.pool import LvmPool

__all__ = ["LvmPool"]
