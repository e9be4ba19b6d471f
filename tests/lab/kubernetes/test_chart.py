"""The chart: without a complaint of Helm's, in step with the plain manifests, and refusing what makes no sense or is not there."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.fakes.helm_cluster import CLASSES, Object, a_list, helm_cluster

pytestmark = pytest.mark.lab
DEPLOY = Path(__file__).parents[3] / "deploy"
CHART = DEPLOY / "helm" / "rokcsi"
VALUES = DEPLOY / "kubernetes" / "values.yaml"
HELM = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rokcsi" / "kubernetes" / "helm"
SNAPSHOTS, GROUPS = "snapshot.storage.k8s.io/v1", "groupsnapshot.storage.k8s.io/v1"
CERTIFICATES, MONITORS = "cert-manager.io/v1", "monitoring.coreos.com/v1"
THERE = (SNAPSHOTS, GROUPS, CERTIFICATES)
BEFORE = "YmVmb3Jl"  # what stands in a Secret of an earlier release


def _helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(HELM), *words], capture_output=True, text=True, check=False, timeout=60)


def _made(*wanted: str, there: Sequence[str] = THERE, words: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Have the chart made for a cluster in which these APIs are there; `words` are for Helm."""
    apis = [word for each in there for word in ("--api-versions", each)]
    values = [word for each in wanted for word in ("--set", each)]
    return _helm(
        "template", "rok", str(CHART), "--kube-version", "1.34", "--values", str(VALUES), *apis, *values, *words
    )


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
        ("node.pool=loopfile:/mnt/disk/pool", "node.poolDir"),
        ("node.pools.values.nvme.pool=loopfile:/mnt/nvme/pool", "node.pools.values.nvme.pool"),
        ("node.pools.values.nvme.poolDir=/mnt/nvme", "node.pools.values.nvme"),
        ("node.pools.values.NVMe.pool=lvm:vg/pool", "NVMe"),
        ("node.pool=loopfile:/var/lib/rokcsi-pool", "node.poolDir"),
        ("node.pool=loopfile:/var/lib/rokcsi/../pool", "node.poolDir"),
        ("checkpoints=null", "checkpoints"),
        ("node.overcommit=null", "overcommit"),
        ("driverName=Rok.example", "driverName"),
        (f"kubeletDir=/{'k' * 40},driverName={'d' * 60}", "kubeletDir"),
        ("node.overcommit=0.5", "overcommit"),
        ("checkpoints.poolLimit=1.1", "poolLimit"),
        ("checkpoints.deadlineSeconds=100.5", "deadlineSeconds"),
        ("checkpoints.mostBytes=10 apples", "mostBytes"),
        ("node.port=9810", "node.port"),
        ("checkpoints.enabled=true,timeline.metricsPort=9814", "timeline.metricsPort"),
        ("timeline.metricsPort=9815", "placement.port"),
        (r"storageClass.parameters.csi\.storage\.k8s\.io/fstype=ext4", "storageClass.filesystem"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(wrong: str, told: str) -> None:
    done = _made(wrong)
    assert done.returncode != 0
    assert told.rpartition(".")[2] in done.stderr


@pytest.mark.parametrize("name", ["1rok", "rok.one"])
def test_a_release_of_whose_name_no_service_can_be_made_is_refused(name: str) -> None:
    values = ["--kube-version", "1.34", "--values", str(VALUES)]
    apis = [word for each in THERE for word in ("--api-versions", each)]
    done = _helm("template", name, str(CHART), *values, *apis)
    assert done.returncode != 0
    assert f"no Service can be called {name}-nodes" in done.stderr


@pytest.mark.parametrize(
    "pool", ["loopfile:/mnt/disk", "loopfile:/mnt/disk/pools/one", "lvm:vg/thin", "zfs:tank/rokcsi"]
)
def test_a_pool_may_be_the_hosts_folder_lie_in_it_or_in_none(pool: str) -> None:
    done = _made(f"node.pool={pool}", "node.poolDir=/mnt/disk")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        ("node.overcommit=1.5", "--overcommit=1.5"),
        ("node.overcommit=1000", "--overcommit=1000"),
        ("checkpoints.deadlineSeconds=0.5", "--checkpoint-deadline=0.5"),
        ("checkpoints.poolLimit=0.85", "--checkpoint-limit=0.85"),
        ("checkpoints.poolLimit=1", "--checkpoint-limit=1"),
    ],
)
def test_a_number_may_be_given_to_helm_as_it_is_on_the_command_line_and_in_a_file(value: str, argument: str) -> None:
    key, _, number = value.partition("=")
    for flag in ("--set", "--set-json"):  # --set takes whatever has a point in it for a text
        done = _made("checkpoints.enabled=true", words=[flag, f"{key}={number}"])
        assert argument in done.stdout, done.stderr


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


def test_cert_managers_authority_outlasts_all_that_it_signs_and_keeps_its_key() -> None:
    made = {
        each["metadata"]["name"]: each["spec"] for each in _objects(_made("tls.validDays=30")) if _is_certificate(each)
    }
    authority = made.pop("rok-authority")
    left_at_renewal = _hours(authority["renewBefore"])
    assert 0 < left_at_renewal < _hours(authority["duration"])
    assert authority["privateKey"]["rotationPolicy"] == "Never"
    assert sorted(made) == ["rok-admission", "rok-controller", "rok-node"]
    assert {_hours(each["duration"]) for each in made.values()} == {left_at_renewal} == {30 * 24}


def _is_certificate(each: Object) -> bool:
    return bool(each["kind"] == "Certificate")


def _hours(text: str) -> int:
    return int(text.removesuffix("h"))


def test_no_role_reads_secrets_or_may_do_everything() -> None:
    roles = [each for each in _objects(_made("checkpoints.enabled=true")) if each["kind"] in {"Role", "ClusterRole"}]
    assert {"rok-controller", "rok-timeline"} <= {each["metadata"]["name"] for each in roles}
    for rule in (rule for role in roles for rule in role["rules"]):
        assert "secrets" not in rule["resources"]
        assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


def test_every_port_is_served_at_ipv6_addresses_too() -> None:
    made = _made("checkpoints.enabled=true")
    served = re.findall(r"--(?:metrics|listen|people)=(\S+)", made.stdout)
    assert len(served) == 6
    assert all(each.startswith(":") for each in served)


def test_no_sidecar_pauses_for_minutes_before_it_tries_a_node_again_that_was_away() -> None:
    [controller] = [
        each
        for each in _objects(_made())
        if each["metadata"]["name"] == "rok-controller" and each["kind"] == "Deployment"
    ]
    sidecars = [each for each in controller["spec"]["template"]["spec"]["containers"] if each["name"] != "rokcsi"]
    assert len(sidecars) == 3
    assert all("--retry-interval-max=30s" in each["args"] for each in sidecars)


@pytest.mark.parametrize("workers", [1, 100, 448])
def test_there_is_a_worker_for_each_call_that_the_sidecars_can_have_under_way(workers: int) -> None:
    """external-snapshotter has 10 workers for snapshots and 10 for groups, external-resizer 10, each with a few calls besides."""
    made = _made(f"sidecars.provisioner.workers={workers}")
    [served] = re.findall(r"--max-workers=(\d+)", made.stdout)
    assert workers + 40 <= int(served) <= 512  # what the driver takes


def test_the_controller_reads_no_pods_but_those_of_its_own_namespace() -> None:
    """They are for a part of external-resizer that is switched off."""
    made = _made("checkpoints.enabled=true")
    assert "--handle-volume-inuse-error=false" in made.stdout
    [role] = [
        each for each in _objects(made) if each["kind"] == "ClusterRole" and "controller" in each["metadata"]["name"]
    ]
    assert "pods" not in {resource for rule in role["rules"] for resource in rule["resources"]}


def test_the_privileged_pods_have_no_rights_at_the_api_server() -> None:
    objects = _objects(_made("checkpoints.enabled=true"))
    subjects = [each for one in objects for each in one.get("subjects", ())]
    assert {each["name"] for each in subjects if each["kind"] == "ServiceAccount"} == {"rok-controller", "rok-timeline"}
    [nodes] = [each for each in objects if each["kind"] == "DaemonSet"]
    spec = nodes["spec"]["template"]["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("rok-node", False)


def test_a_driver_that_is_slow_to_open_its_pool_is_not_killed_and_a_slow_answer_is_an_answer() -> None:
    pods = [
        each["spec"]["template"]["spec"] for each in _objects(_made()) if each["kind"] in {"Deployment", "DaemonSet"}
    ]
    containers = [each for pod in pods for each in pod["containers"] if each["name"] == "rokcsi"]
    assert len(containers) == 3
    for container in containers:
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        deadly = [container[probe] for probe in ("startupProbe", "livenessProbe") if probe in container]
        assert {each["httpGet"]["path"] for each in deadly} == {"/healthz"}
        for probe in (*deadly, container["readinessProbe"]):
            assert probe["timeoutSeconds"] >= 10  # Kubernetes' own is one second


def test_the_pods_are_for_linux_whatever_else_is_asked_of_their_nodes() -> None:
    chosen = [f"{role}.nodeSelector.disk=fast" for role in ("node", "controller", "timeline")]
    objects = _objects(_made(*chosen))
    pods = [each["spec"]["template"]["spec"] for each in objects if each["kind"] in {"Deployment", "DaemonSet"}]
    assert [pod["nodeSelector"] for pod in pods] == [{"kubernetes.io/os": "linux", "disk": "fast"}] * 3


FAST = "node.pools.values.fast.pool=loopfile:/mnt/fast/pool,node.pools.values.fast.poolDir=/mnt/fast"


@pytest.mark.parametrize("affinity", ["", "node.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"])
def test_each_node_has_one_driver_with_the_pool_that_its_label_names(affinity: str) -> None:
    also = [f"{affinity}.nodeSelectorTerms[0].matchExpressions[0].{each}" for each in ("key=a", "operator=Exists")]
    values = [FAST, "node.pools.values.big.pool=lvm:vg/big", "node.pools.label=disk", "node.nodeSelector.kind=worker"]
    made = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in _objects(_made(*values, *(also if affinity else ())))
        if each["kind"] == "DaemonSet"
    }
    assert {name: _pool(pod) for name, pod in made.items()} == {
        "rok-node": ("loopfile:/var/lib/rokcsi/pool", "/var/lib/rokcsi"),
        "rok-node-big": ("lvm:vg/big", "/var/lib/rokcsi"),
        "rok-node-fast": ("loopfile:/mnt/fast/pool", "/mnt/fast"),
    }
    worker = {"kubernetes.io/os": "linux", "kind": "worker"}
    chosen = {name: pod["nodeSelector"] for name, pod in made.items()}
    assert chosen == {
        "rok-node": worker,
        "rok-node-big": {**worker, "disk": "big"},
        "rok-node-fast": {**worker, "disk": "fast"},
    }
    elsewhere = {"key": "disk", "operator": "NotIn", "values": ["big", "fast"]}
    [term] = made["rok-node"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    asked = [{"key": "a", "operator": "Exists"}] if affinity else []
    assert term["matchExpressions"] == [*asked, elsewhere]
    assert ("affinity" in made["rok-node-fast"]) is bool(affinity)


def _pool(pod: Object) -> tuple[str, str]:
    [container] = pod["containers"]
    [pool] = [each.removeprefix("--pool=") for each in container["args"] if each.startswith("--pool=")]
    [folder] = [each["hostPath"]["path"] for each in pod["volumes"] if each["name"] == "pool"]
    return pool, folder


def _signed_over(*there: str) -> dict[str, dict[str, str]]:
    """Give the certificates that the chart makes over these Secrets of an earlier release."""
    content = dict.fromkeys(("ca.crt", "tls.crt", "tls.key"), BEFORE)
    secrets = {
        f"/api/v1/namespaces/default/secrets/{name}": {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "data": content,
        }
        for name in there
    }
    with helm_cluster(secrets) as address:
        made = _made("tls.signer=chart", words=["--dry-run=server", "--kube-apiserver", address])
    assert made.returncode == 0, made.stderr
    return {each["metadata"]["name"]: each["data"] for each in _objects(made) if each["kind"] == "Secret"}


def test_certificates_of_the_charts_own_authority_are_kept_by_an_upgrade() -> None:
    kept = _signed_over("rok-controller-tls", "rok-node-tls", "rok-admission-tls")
    assert {text for content in kept.values() for text in content.values()} == {BEFORE}


@pytest.mark.parametrize("there", ["rok-controller-tls", "rok-node-tls"])
def test_where_one_certificate_is_lost_both_are_signed_anew_by_one_authority(there: str) -> None:
    made = _signed_over(there)
    made.pop("rok-admission-tls")  # it has an authority of its own
    assert len({content["ca.crt"] for content in made.values()}) == 1
    assert BEFORE not in {text for content in made.values() for text in content.values()}


@pytest.mark.parametrize(
    ("others", "value", "warned"),
    [
        (["standard"], "storageClass.default=true", True),
        (["standard"], "storageClass.default=false", False),
        (["standard"], "storageClass.create=false", False),
        (["rokcsi"], "storageClass.default=true", False),
        ([], "storageClass.default=true", False),
    ],
)
def test_whoever_has_a_default_class_already_is_told_that_there_are_two_now(
    others: Sequence[str], value: str, *, warned: bool
) -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    classes: list[Object] = [{"metadata": {"name": name, "annotations": default}} for name in others]
    classes.append({"metadata": {"name": "slow"}})
    with helm_cluster({CLASSES: a_list("storage.k8s.io/v1", "StorageClass", *classes)}) as address:
        words = ["--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address]
        values = ["--values", str(VALUES), "--set", f"tls.signer=chart,{value}"]
        done = _helm("install", "rok", str(CHART), *words, *values)
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert ("the default class of this cluster is standard, too" in notes) is warned


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
