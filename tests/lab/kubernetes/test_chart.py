"""The chart: without a complaint of Helm's, in step with the plain manifests, and refusing values that make no sense."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab
DEPLOY = Path(__file__).parents[3] / "deploy"
CHART = DEPLOY / "helm" / "rokcsi"
VALUES = DEPLOY / "kubernetes" / "values.yaml"
HELM = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rokcsi" / "kubernetes" / "helm"


def _helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(HELM), *words], capture_output=True, text=True, check=False, timeout=60)


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
        ("storageclass.name=typo", "storageclass"),
        ("sidecars.provisioner.image=", "sidecars.provisioner.image is empty"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(wrong: str, told: str) -> None:
    done = _helm(
        "template", "rok", str(CHART), "--kube-version", "1.31", "--values", str(VALUES), "--set-string", wrong
    )
    assert done.returncode != 0
    assert told.rpartition(".")[2] in done.stderr
