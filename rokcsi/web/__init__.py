"""What is asked of a cluster's timeline over HTTP: the doors that it opens, and the line by which `rokctl` reaches one.

One door is for people, one for the API server (admission). The room knows protocols of the
model; Kubernetes' own words, and the way through its API server, are in `kube/`.
"""
