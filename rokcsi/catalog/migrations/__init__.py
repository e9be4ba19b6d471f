"""How the schema came to be, one file a change; run by `rokcsi.catalog.opening`."""
