"""What the timeline decides for a cluster: where clones go, when checkpoints are taken, and which are kept.

It knows the cluster, and the nodes, only by the protocols of `model/claims.py`, `model/visits.py`
and `model/requested_snapshots.py`.

    watches → Agenda (what to look at, and when) → Placing, Homeless, Providing → Telling (what owners hear)
    a pod at a node's door → Visiting → Taking, or Unchanged → Announcing; Settling takes what nobody told of
    people → Asked; what is too much → Keeping; catalogues that were lost → Rebuilding
"""
