"""What a Node object says of its node. Called by whoever asks the API server for one."""

from __future__ import annotations

from collections.abc import Mapping

from rokcsi.kube.following import Object


def ready_condition(node: Object) -> Mapping[str, str]:
    """Give the condition `Ready`, empty where kubelet has never told it; its `status` is True while kubelet is at work."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == "Ready"), {})
