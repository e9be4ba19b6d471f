"""Where bytes live: one module or folder for each technology, and the wrappers around all of them.

`opening` makes a pool from what the settings say. What it gives is, outermost first,
`MeasuredPool(LockedPool(IdempotentPool(AdmittingPool(…))))` around a strict pool of one
technology. `memory` is the pool of the unit tests.
"""
