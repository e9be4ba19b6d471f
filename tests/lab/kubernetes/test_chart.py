"""The chart: without a complaint of Helm's, in step with the plain manifests, and refusing what makes no sense or is not there."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.lab
DEPLOY = Path(__file__).parents[3] / "deploy"
CHART = DEPLOY / "helm" / "rokcsi"
VALUES = DEPLOY / "kubernetes" / "values.yaml"
HELM = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rokcsi" / "kubernetes" / "helm"
SNAPSHOTS, GROUPS = "snapshot.storage.k8s.io/v1", "groupsnapshot.storage.k8s.io/v1"
CERTIFICATES, MONITORS = "cert-manager.io/v1", "monitoring.coreos.com/v1"
Object = dict[str, Any]
THERE = (SNAPSHOTS, GROUPS, CERTIFICATES)


def _helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(HELM), *words], capture_output=True, text=True, check=False, timeout=60)


def _made(*wanted: str, there: Sequence[str] = THERE) -> subprocess.CompletedProcess[str]:
    """Have the chart made for a cluster in which these APIs are there."""
    apis = [word for each in there for word in ("--api-versions", each)]
    values = [word for each in wanted for word in ("--set", each)]
    return _helm("template", "rok", str(CHART), "--kube-version", "1.34", "--values", str(VALUES), *apis, *values)


def test_helm_has_no_complaint_of_the_chart() -> None:
    done = _helm("lint", "--strict", str(CHART), "--values", str(VALUES))
    assert done.returncode == 0, done.stdout


def test_the_plain_manifests_are_what_the_chart_makes() -> None:
    made = subprocess.run(
        [str(DEPLOY / "render"), str(HELM)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert (DEPLOY / "kubernetes" / "rokcsi.yaml").read_text() == made, "deploy/render >deploy/kubernetes/rokcsi.yaml"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("node.pool=nfs:/export", "node.pool"),
        ("storageClass.filesystem=btrfs", "storageClass.filesystem"),
        ("timeline.metricsPort=0", "timeline.metricsPort"),
        ("placement.port=0", "placement.port"),
        ("placement.admission=perhaps", "placement.admission"),
        ("storageclass.name=typo", "storageclass"),
        ("sidecars.provisioner.image=", "sidecars.provisioner.image is empty"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(wrong: str, told: str) -> None:
    done = _made(wrong)
    assert done.returncode != 0
    assert told.rpartition(".")[2] in done.stderr


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (SNAPSHOTS, "the CRDs volumesnapshots, volumesnapshotcontents and volumesnapshotclasses"),
        (CERTIFICATES, "cert-manager (cert-manager.io/v1)"),
        (MONITORS, "Prometheus' operator (monitoring.coreos.com/v1)"),
    ],
)
def test_what_the_cluster_lacks_is_named_and_nothing_is_made(missing: str, told: str) -> None:
    done = _made("serviceMonitor.create=true", there=[each for each in (*THERE, MONITORS) if each != missing])
    assert done.returncode != 0
    assert told in done.stderr
    assert done.stderr.count("\n- ") == 1


def test_all_that_is_missing_is_named_at_once() -> None:
    assert _made("serviceMonitor.create=true", there=[]).stderr.count("\n- ") == 3


def test_a_cluster_that_knows_no_groups_of_snapshots_gets_all_but_them() -> None:
    made = _made(there=[SNAPSHOTS, CERTIFICATES])
    assert made.returncode == 0, made.stderr
    kinds = {each["kind"] for each in _objects(made)}
    assert "VolumeSnapshotClass" in kinds
    assert "VolumeGroupSnapshotClass" not in kinds
    assert "--feature-gates=CSIVolumeGroupSnapshot=false" in made.stdout
    assert "--feature-gates=CSIVolumeGroupSnapshot=true" in _made().stdout


def _objects(made: subprocess.CompletedProcess[str]) -> Sequence[Object]:
    return [each for each in yaml.safe_load_all(made.stdout) if each]


def test_no_role_reads_secrets_or_may_do_everything() -> None:
    roles = [each for each in _objects(_made("checkpoints.enabled=true")) if each["kind"] in {"Role", "ClusterRole"}]
    assert {"rok-controller", "rok-timeline"} <= {each["metadata"]["name"] for each in roles}
    for rule in (rule for role in roles for rule in role["rules"]):
        assert "secrets" not in rule["resources"]
        assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


def test_the_privileged_pods_have_no_rights_at_the_api_server() -> None:
    objects = _objects(_made("checkpoints.enabled=true"))
    subjects = [each for one in objects for each in one.get("subjects", ())]
    assert {each["name"] for each in subjects if each["kind"] == "ServiceAccount"} == {"rok-controller", "rok-timeline"}
    [nodes] = [each for each in objects if each["kind"] == "DaemonSet"]
    spec = nodes["spec"]["template"]["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("rok-node", False)


def _of_kind(made: subprocess.CompletedProcess[str], kind: str, name: str) -> Object:
    [found] = [each for each in _objects(made) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def _webhook(made: subprocess.CompletedProcess[str]) -> Object:
    [webhook] = _of_kind(made, "MutatingWebhookConfiguration", "rok-placement")["webhooks"]
    return dict(webhook)


def test_a_webhook_that_does_not_answer_keeps_no_claim_from_being_made() -> None:
    webhook = _webhook(_made())
    assert (webhook["failurePolicy"], webhook["timeoutSeconds"], webhook["sideEffects"]) == ("Ignore", 1, "None")
    [rule] = webhook["rules"]
    assert (rule["operations"], rule["resources"]) == (["CREATE"], ["persistentvolumeclaims"])


@pytest.mark.parametrize("checkpoints", ["true", "false"])
def test_the_webhook_asks_at_the_services_port_that_the_timeline_serves(checkpoints: str) -> None:
    made = _made(f"checkpoints.enabled={checkpoints}", "placement.port=7777")
    asked = _webhook(made)["clientConfig"]["service"]
    service = _of_kind(made, "Service", asked["name"])
    [port] = [each for each in service["spec"]["ports"] if each["port"] == asked["port"]]
    [container] = _of_kind(made, "Deployment", "rok-timeline")["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["containerPort"] for each in container["ports"]}[port["targetPort"]] == 7777
    assert "--admission=:7777" in container["args"]


def test_the_charts_own_certificate_is_trusted_by_the_api_server_for_the_services_name(tmp_path: Path) -> None:
    made = _made("tls.signer=chart")
    tls = _of_kind(made, "Secret", "rok-admission-tls")["data"]
    assert _webhook(made)["clientConfig"]["caBundle"] == tls["ca.crt"]
    for name in ("ca.crt", "tls.crt"):
        (tmp_path / name).write_bytes(base64.b64decode(tls[name]))
    where = _webhook(made)["clientConfig"]["service"]
    asked = ("-verify_hostname", f"{where['name']}.{where['namespace']}.svc")
    verify = ["openssl", "verify", "-CAfile", str(tmp_path / "ca.crt"), *asked, str(tmp_path / "tls.crt")]
    assert subprocess.run(verify, capture_output=True, check=False, timeout=30).returncode == 0


def test_cert_manager_puts_the_authority_into_the_webhook() -> None:
    made = _made()
    configuration = _of_kind(made, "MutatingWebhookConfiguration", "rok-placement")
    namespace, name = configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"].split("/")
    certificate = _of_kind(made, "Certificate", name)
    assert certificate["metadata"]["namespace"] == namespace
    assert f"rok-timeline.{namespace}.svc" in certificate["spec"]["dnsNames"]
    assert certificate["spec"]["secretName"] == "rok-admission-tls"


def test_without_admission_nothing_of_it_is_made() -> None:
    made = _made("placement.admission=false")
    assert made.returncode == 0, made.stderr
    assert "admission" not in made.stdout
    assert "rok-timeline" not in [each["metadata"]["name"] for each in _objects(made) if each["kind"] == "Service"]
