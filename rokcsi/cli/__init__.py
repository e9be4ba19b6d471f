"""The two command lines: `rokcsi` for whoever runs the driver, `rokctl` for whoever works with checkpoints.

A command translates what was typed, asks, and prints the answer; nothing is decided here.
"""
