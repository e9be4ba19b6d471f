"""What people ask of a cluster's timeline, over HTTP: the door that it opens, and the line by which `rokctl` reaches it.

The only room that speaks HTTP with people. It knows protocols of the model; Kubernetes'
own names for people, and the way through its API server, are in `kube/`.
"""
