"""The words of the domain, in the standard library only.

Read in this order: `sizes`, `ids` and `filesystems`, `volume` and `snapshot`, then `pool`, the one
boundary that matters; `provisioner` and `node` are what the CSI services ask of us,
`cluster` and `catalog` what the pipeline asks of the world.
"""
