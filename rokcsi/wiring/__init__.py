"""Composition, one file a process: here, and only here, the parts are put together."""
