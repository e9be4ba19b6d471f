"""Kubernetes as the rest of the house sees it: where the nodes are, and which of them are gone for good.

The only room that imports the Kubernetes client. Only the switchboard and `rokctl` come
here; a node's process never does.
"""
