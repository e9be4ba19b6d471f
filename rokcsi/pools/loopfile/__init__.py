"""The embedded pool: a volume is a sparse file, a snapshot a reflink of it, a block device a loop over it.

Needs a folder and nothing else. There is no database: what a volume or snapshot is stands
in an attribute of its file (`records`), and the `index` is read from them at the start.
Read `pool` first; `folder` and `image` are how it is opened, `volume_files` and `cutting`
what happens to files, `attachments` what happens to loops, `leftovers` what a crash leaves.
"""

from rokcsi.pools.loopfile.pool import LoopFilePool

__all__ = ["LoopFilePool"]
