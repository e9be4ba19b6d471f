"""The CSI interface, and the script that makes Python of it."""
