"""The release of the chart in the lab's cluster, and the lab itself: what tests change about them.

The lab has no kube-proxy and no DNS, so nodes and controller are told the timeline's address.
"""

from __future__ import annotations

import subprocess

from tests.lab.kubernetes.kubectl import LAB, Kubectl
from tests.lab.kubernetes.objects import Object

CHART = LAB.parents[3] / "deploy" / "helm" / "rokcsi"
RELEASE = "rok"
IN = ("--namespace", "rokcsi-system", "--timeout", "180s")
PORT = 9813


def lab(*words: str, seconds: float = 120.0) -> str:
    """Have the lab do something, give what it prints."""
    done = subprocess.run([str(LAB), *words], capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, f"lab {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def upgraded(*values: str) -> None:
    """Have the release with these values."""
    words = [word for value in values for word in ("--set", value)]
    lab("run", "helm", "upgrade", RELEASE, str(CHART), *IN, "--reset-then-reuse-values", "--wait", *words, seconds=240)


def timeline_pod(driver: Kubectl) -> Object:
    """Give the timeline's one pod."""
    [pod] = driver.all("pods", "--selector", "app.kubernetes.io/component=timeline")
    return dict(pod)


def found_by_all(driver: Kubectl) -> None:
    """Have nodes and controller ask the timeline, which is switched on."""
    upgraded(f"checkpoints.address={timeline_pod(driver)['status']['podIP']}:{PORT}")
    driver("rollout", "status", "daemonset/rok-node", "--timeout=120s")


def switched_off() -> None:
    """Have the release as it was installed."""
    upgraded("checkpoints.enabled=false", "checkpoints.address=")
