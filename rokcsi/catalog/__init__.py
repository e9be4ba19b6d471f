"""Where checkpoints, tasks, notebooks and runs are remembered: SQL, SQLite by default.

`opening.open_catalog` gives the catalogue of a file, upgraded to the present schema; what
comes out of it are the frozen records of `rokcsi.model`, never the library's own objects.
"""
