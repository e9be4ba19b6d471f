"""Who may clone from a namespace's checkpoints: its ConfigMap `rokcsi-grants` names the namespaces."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from rokcsi.kube.connecting import read

GRANTS = "rokcsi-grants"


class ConfigMapGrants:
    """Fits `rokcsi.model.visits.Grants`: `data.namespaces` holds names, apart by commas or spaces; none stands for all."""

    def __init__(self, api: Any) -> None:
        self._core = client.CoreV1Api(api)

    def granted(self, owner: str, asker: str) -> bool:
        """Tell whether the namespace `owner` lets `asker` have its checkpoints; raise RosterAway."""
        found = read(self._core.read_namespaced_config_map, GRANTS, owner) or {}
        named = str((found.get("data") or {}).get("namespaces", ""))
        return asker in named.replace(",", " ").split()
