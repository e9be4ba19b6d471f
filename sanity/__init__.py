"""csi-sanity, run against the driver: `python sanity/run.py`."""
