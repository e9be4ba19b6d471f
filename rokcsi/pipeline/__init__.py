"""What the product does for a data scientist, over the protocols `Cluster` and `Catalog` alone.

`notebook` makes one from folders, `checkpoint` takes one, `run` runs a pipeline file on clones
of it, `restore` opens any execution state as a new notebook, `resume` goes on from there,
`retention` forgets; `find` and `describe` answer questions, `reconcile` ends what a crash
left half done. Every verb takes the `World` first and a `Listener` that hears of progress.
"""
