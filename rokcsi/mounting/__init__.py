"""How pods see a volume: file systems on block devices, and mounts, on Linux.

`LinuxMounter` (in `linux`) is the `rokcsi.model.mounter.Mounter` of this host. It starts no
program on the way to a mount; `filesystems` has those that make, check and grow.
"""
