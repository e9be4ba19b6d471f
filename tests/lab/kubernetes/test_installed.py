"""The chart as it stands in a cluster: what Helm's own test says, what it may do, what the cluster would refuse."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab.kubernetes.kubectl import LAB, Kubectl
from tests.lab.kubernetes.release import CHART, IN, RELEASE, lab

pytestmark = pytest.mark.lab
VALUES = str(LAB.with_name("values.yaml"))
ENFORCE = "pod-security.kubernetes.io/enforce"
UNPRIVILEGED = ("controller", "timeline")
LOOK = """id -u; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; touch /written 2>&1 || true"""


@pytest.fixture
def baseline(driver: Kubectl) -> Iterator[str]:
    """Give a namespace in which pods may not be privileged."""
    name = f"lab-{secrets.token_hex(3)}"
    driver("create", "namespace", name)
    driver("label", "namespace", name, f"{ENFORCE}=baseline")
    yield name
    driver("delete", "namespace", name, "--timeout=60s")


def _tried(*words: str) -> subprocess.CompletedProcess[str]:
    """Have Helm look at an installation in this cluster, without carrying it out."""
    command = [str(LAB), "run", "helm", *words, "--dry-run=server", "--values", VALUES]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_helms_own_test_writes_a_volume_and_reads_it_from_a_clone_of_its_snapshot(driver: Kubectl) -> None:
    told = lab("run", "helm", "test", RELEASE, *IN, seconds=240)
    assert told.count("Phase:          Succeeded") == 3
    left = driver.all("pods,volumesnapshots,pvc", "--selector", "app.kubernetes.io/name=rokcsi")
    assert [each["metadata"]["name"] for each in left if "-test-" in each["metadata"]["name"]] == []


def test_the_api_server_knows_every_field_of_the_chart() -> None:
    made = lab("run", "helm", "template", RELEASE, str(CHART), *IN, "--values", VALUES, "--validate", "--skip-tests")
    command = [str(LAB), "run", "kubectl", "apply", "--dry-run=server", "--validate=strict", "--filename", "-"]
    done = subprocess.run(command, input=made, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("role", UNPRIVILEGED)
def test_controller_and_timeline_run_without_any_privilege_on_a_root_that_nobody_writes(
    driver: Kubectl, role: str
) -> None:
    told = driver("exec", f"deployment/rok-{role}", "--container", "rokcsi", "--", "sh", "-c", LOOK)
    assert told.splitlines()[0] == "65532"
    assert re.search(r"^CapEff:\s*0+$", told, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s*1$", told, re.MULTILINE)
    assert "Read-only file system" in told


def test_only_the_nodes_pods_break_the_strictest_standard_of_pod_security(driver: Kubectl) -> None:
    words = ["--dry-run=server", "--overwrite", f"{ENFORCE}=restricted"]
    command = [str(LAB), "run", "kubectl", "label", "namespace", "rokcsi-system", *words]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr
    broken = re.findall(r"^Warning: (rok-\w+)", told, re.MULTILINE)
    assert broken == ["rok-node"]


def test_a_namespace_that_refuses_privileged_pods_is_named_before_anything_is_installed(baseline: str) -> None:
    done = _tried("install", "another", str(CHART), "--namespace", baseline)
    assert done.returncode != 0
    assert f"kubectl label --overwrite namespace {baseline} {ENFORCE}=privileged" in done.stderr


def test_what_keeps_snapshots_from_getting_ready_is_in_the_notes(driver: Kubectl) -> None:
    system, controller = Kubectl("kube-system"), "deployment/snapshot-controller"
    assert "snapshot-controller" not in _notes()
    arguments = driver("get", controller, "--namespace", "kube-system", "--output", "jsonpath={..args}")
    without = arguments.replace("CSIVolumeGroupSnapshot=true", "CSIVolumeGroupSnapshot=false")
    place = "/spec/template/spec/containers/0/args"
    try:
        system("patch", controller, "--type=json", f'--patch=[{{"op":"replace","path":"{place}","value":{without}}}]')
        assert "runs without --feature-gates=CSIVolumeGroupSnapshot=true" in _notes()
    finally:
        system("patch", controller, "--type=json", f'--patch=[{{"op":"replace","path":"{place}","value":{arguments}}}]')
        system("rollout", "status", controller, "--timeout=60s")


def _notes() -> str:
    done = _tried("upgrade", RELEASE, str(CHART), *IN)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]
