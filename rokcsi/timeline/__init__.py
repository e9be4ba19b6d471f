"""What the timeline decides for a cluster; today where clones go.

It knows the cluster, and the nodes, only by the protocols of `model/claims.py`.

    watches → Agenda (what to look at, and when) → Placing, Homeless (what to do) → Telling (what owners hear)
"""
