"""Which step a pod is, by the labels that real orchestrators write."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rokcsi.model.cluster import PodPhase
from rokcsi.model.doorkeeper import PodAtDoor
from rokcsi.model.visits import PodOwner, VisitingPod
from rokcsi.timeline.identity import StepIdentity, identity_of, is_step

ARGO = PodOwner("Workflow", "digits-x7x2m", "dac69695-31d6-4ac4-b0dd-76d502b29315")
RUN = "0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11"
KFP_V2 = {
    "pipeline/runid": RUN,
    "pipelines.kubeflow.org/v2_component": "true",
    "workflows.argoproj.io/completed": "false",
    "workflows.argoproj.io/workflow": "digits-x7x2m",
}
JOB_UID = "3f0f7f2a-11aa-4f5e-9b5e-0a8f6f7f8f90"


def pod(
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owner: PodOwner | None = None,
    name: str = "pod-1",
) -> VisitingPod:
    at = PodAtDoor("team-a", name, "8b1d9f6e-77aa-4bd1-9f43-111111111111")
    return VisitingPod(at, PodPhase.PENDING, labels or {}, annotations or {}, owner)


def node(name: str) -> dict[str, str]:
    return {"workflows.argoproj.io/node-name": name, "workflows.argoproj.io/node-id": "digits-x7x2m-1"}


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("digits-x7x2m.root.train.executor", "train"),
        ("digits-x7x2m.root.train.executor(1)", "train"),
        ("digits-x7x2m.root.for-loop-1.train.executor", "train"),
        ("digits-x7x2m.train", "train"),
        ("digits-x7x2m.train(2)", "train"),
        ("digits-x7x2m[0].train", "train"),
        ("digits-x7x2m[0].steps[1].train(0)", "train"),
        ("digits-x7x2m.train(0:alpha)", "train(0:alpha)"),
        ("digits-x7x2m", "digits"),
        ("", "digits"),
    ],
)
def test_a_step_of_a_pipeline_has_the_name_of_its_task(name: str, step: str) -> None:
    assert identity_of(pod(KFP_V2, node(name), ARGO)) == StepIdentity("digits", f"digits-{RUN}", step)


def test_a_workflow_of_argo_alone_is_a_run_that_no_later_one_shares() -> None:
    labels = {"workflows.argoproj.io/workflow": "digits-x7x2m"}
    found = identity_of(pod(labels, node("digits-x7x2m.train"), ARGO))
    assert found == StepIdentity("digits", "digits-x7x2m-dac69695", "train")


@pytest.mark.parametrize("label", ["workflow-template", "cron-workflow"])
def test_a_workflow_made_from_a_template_is_a_run_of_that(label: str) -> None:
    labels = {"workflows.argoproj.io/workflow": "digits-1700000000", f"workflows.argoproj.io/{label}": "nightly"}
    found = identity_of(pod(labels, node("digits-1700000000.train"), ARGO))
    assert (found.pipeline, found.step) == ("nightly", "train")


def test_a_trial_of_katib_is_a_run_of_its_experiment() -> None:
    labels = {
        "katib.kubeflow.org/experiment": "random",
        "katib.kubeflow.org/trial": "random-bqx5r7lk",
        "batch.kubernetes.io/job-name": "random-bqx5r7lk",
        "batch.kubernetes.io/controller-uid": JOB_UID,
    }
    owner = PodOwner("Job", "random-bqx5r7lk", JOB_UID)
    assert identity_of(pod(labels, owner=owner)) == StepIdentity("random", "random-bqx5r7lk-3f0f7f2a", "trial")


@pytest.mark.parametrize("prefix", ["batch.kubernetes.io/", ""])
def test_the_pods_of_a_job_are_attempts_of_one_step(prefix: str) -> None:
    labels = {f"{prefix}job-name": "train", f"{prefix}controller-uid": JOB_UID}
    owner = PodOwner("Job", "train", JOB_UID)
    for name in ("train-abcde", "train-fghij"):
        assert identity_of(pod(labels, owner=owner, name=name)) == StepIdentity("train", "train-3f0f7f2a", "train")


def test_the_indices_of_a_job_are_steps() -> None:
    labels = {"batch.kubernetes.io/job-name": "train", "batch.kubernetes.io/controller-uid": JOB_UID}
    found = identity_of(pod(labels, {"batch.kubernetes.io/job-completion-index": "7"}))
    assert found.step == "train-7"


def test_a_pod_that_comes_back_under_its_name_is_the_same_step() -> None:
    owner = PodOwner("StatefulSet", "lab", "99999999-0000")
    assert identity_of(pod(owner=owner, name="lab-0")) == StepIdentity("lab", "lab-99999999", "lab-0")


def test_a_pod_that_nobody_made_is_a_run_of_its_own() -> None:
    assert identity_of(pod(name="mine")) == StepIdentity("mine", "mine-8b1d9f6e", "mine")


def test_a_driver_of_kfp_is_no_step() -> None:
    driver, executor = ({"pipelines.kubeflow.org/runtime-role": role} for role in ("driver", "executor"))
    assert not is_step(pod(labels=driver))
    assert not is_step(pod(annotations=driver))
    assert is_step(pod(labels=executor, annotations=executor))
    assert is_step(pod())


def test_names_that_somebody_made_very_long_are_cut() -> None:
    found = identity_of(pod({"katib.kubeflow.org/trial": "x" * 900}))
    assert len(found.run) == len(found.pipeline) == 200


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"rokcsi.dev/pipeline": "titanic", "rokcsi.dev/step": "train"}, StepIdentity("titanic", "run-7", "train")),
        ({"job-name": "fit", "controller-uid": JOB_UID}, StepIdentity("run-7", "run-7", "fit")),
        ({}, StepIdentity("run-7", "run-7", "pod-1")),
    ],
)
def test_jobs_are_steps_of_one_run_where_their_labels_say_so(more: Mapping[str, str], expected: StepIdentity) -> None:
    assert identity_of(pod({"rokcsi.dev/run": "run-7", **more})) == expected
