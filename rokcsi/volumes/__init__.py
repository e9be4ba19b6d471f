"""What the CSI services ask for, carried out over any pool.

`provisioning` makes, copies and removes volumes and snapshots (the controller services);
the node's side shows them to pods. Neither knows which technology the pool is of.
"""
