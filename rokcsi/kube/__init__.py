"""Kubernetes as the rest of the house sees it: nodes, claims, pods, snapshots, people, and events for their owners.

The only room that imports the Kubernetes client. The switchboard, the timeline and `rokctl`
come here; a node's process never does.
"""
