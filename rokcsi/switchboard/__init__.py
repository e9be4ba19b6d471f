"""The switchboard of a cluster: CSI from the sidecars on one side, the same CSI to the nodes on the other.

A call is checked for its form, its node is found, and it is passed on as it is; the node's
answer is the caller's. Nothing is kept but what nodes announce when they are asked, and a
new switchboard asks again.

    roster (where nodes are) → directory (who serves which pool) → line (the one channel to a node)
    call → placement or the handle's pool → relay → the node
    list → pages over all nodes
"""
