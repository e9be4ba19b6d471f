"""The driver's release in the lab, with other values than it was installed with.

The lab has no kube-proxy and no DNS, so nodes and controller are told the timeline's address.
"""

from __future__ import annotations

import subprocess

from tests.lab.kubernetes.kubectl import LAB, Kubectl
from tests.lab.kubernetes.objects import Object

CHART = LAB.parents[3] / "deploy" / "helm" / "rokcsi"
PORT = 9813


def upgraded(*values: str) -> None:
    """Have the release with these values."""
    words = [word for value in values for word in ("--set", value)]
    command = [str(LAB), "run", "helm", "upgrade", "rok", str(CHART), "--namespace", "rokcsi-system"]
    subprocess.run([*command, "--reuse-values", "--wait", "--timeout", "180s", *words], check=True, timeout=240)


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
