"""The release of the chart in the lab's cluster, and the lab itself: what tests change about them."""

from __future__ import annotations

import subprocess

from tests.lab.kubernetes.kubectl import LAB

CHART = LAB.parents[3] / "deploy" / "helm" / "rokcsi"
RELEASE = "rok"
IN = ("--namespace", "rokcsi-system", "--timeout", "180s")


def lab(*words: str, seconds: float = 120.0) -> str:
    """Have the lab do something, give what it prints."""
    done = subprocess.run([str(LAB), *words], capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, f"lab {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def upgraded(*values: str) -> None:
    """Have the release with these values."""
    words = [word for value in values for word in ("--set", value)]
    lab("run", "helm", "upgrade", RELEASE, str(CHART), *IN, "--reset-then-reuse-values", "--wait", *words, seconds=240)
