"""The controller's process in a cluster whose API server is asked for nodes and claims."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest

from tests.fakes.api_server import NAMESPACE, SERVICE, api_server
from tests.fakes.certificates import Authority
from tests.fakes.csi_caller import CsiCaller, Refused
from tests.fakes.kube_objects import a_claim
from tests.fakes.served_cluster import CONTROLLER, ServedRole, tls_arguments

CLAIM = "/api/v1/namespaces/work/persistentvolumeclaims/again"
FOR_CLAIM = {"csi.storage.k8s.io/pvc/name": "again", "csi.storage.k8s.io/pvc/namespace": "work"}
ORIGIN = "/rok/swift/v1/work/train/train-1_work?version=0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11"


def _kubeconfig(folder: Path, server: str) -> Path:
    here = {"name": "here", "context": {"cluster": "here", "user": "me"}}
    cluster = {"name": "here", "cluster": {"server": server}}
    written = folder / "kubeconfig"
    told = {"contexts": [here], "clusters": [cluster], "users": [{"name": "me", "user": {}}], "current-context": "here"}
    written.write_text(json.dumps(told))
    return written


def test_a_claim_with_an_origin_gets_no_volume_where_no_timeline_is_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Authority(folder).issue(CONTROLLER)
    arguments = (
        *("controller", "--endpoint", f"unix://{folder}/csi.sock", "--nodes", f"kubernetes:{NAMESPACE}/{SERVICE}"),
        *tls_arguments(files),
    )
    role = ServedRole(arguments, folder / "csi.sock", folder / "log")
    with api_server() as (state, client):
        state.have(CLAIM, a_claim("again", source=None, annotations={"rok/origin": ORIGIN}))
        monkeypatch.setenv("KUBECONFIG", str(_kubeconfig(folder, client.configuration.host)))
        try:
            role.start()
            with grpc.insecure_channel(f"unix://{role.socket}") as channel, pytest.raises(Refused) as refused:
                CsiCaller(channel).volume("pvc-1", parameters=FOR_CLAIM)
        finally:
            role.end()
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE
    assert ORIGIN in refused.value.message
    assert "checkpoints.enabled" in refused.value.message
