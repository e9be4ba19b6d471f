"""Which run and which step a pod is, by what its owner, KFP, Argo, Katib, Jobs and controllers write on it.

The rules are tried in their order, the first that knows the pod decides; one that nobody
made is its own run. A pipeline is what stays from run to run; a run's name is unique in its
namespace for all time, so it carries a random part or a UID.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rokcsi.model.visits import VisitingPod
from rokcsi.pipeline.names import RUN_LABEL

PIPELINE, RUN, STEP = "rokcsi.dev/pipeline", RUN_LABEL, "rokcsi.dev/step"
KFP_RUN = "pipeline/runid"
KFP_ROLE = "pipelines.kubeflow.org/runtime-role"
WORKFLOW = "workflows.argoproj.io/workflow"
TEMPLATE, CRON = "workflows.argoproj.io/workflow-template", "workflows.argoproj.io/cron-workflow"
NODE_NAME = "workflows.argoproj.io/node-name"
EXPERIMENT, TRIAL = "katib.kubeflow.org/experiment", "katib.kubeflow.org/trial"
JOB, JOB_UID = ("batch.kubernetes.io/job-name", "job-name"), ("batch.kubernetes.io/controller-uid", "controller-uid")
INDEX = "batch.kubernetes.io/job-completion-index"
_GENERATED = re.compile(r"-[a-z0-9]{5}$")  # what the API server adds to a generateName
_RETRY = re.compile(r"\(\d+\)$")
_STEPS_GROUP = re.compile(r"\[\d+\]")
_NO_STEPS = frozenset({"executor", "root"})  # KFP's own parts of a node's name
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class StepIdentity:
    """What versions of a pod are filed by: bucket, object, and the step within it."""

    pipeline: str
    run: str
    step: str


def identity_of(pod: VisitingPod) -> StepIdentity:
    """Give which step a pod is."""
    found = (rule(pod) for rule in _RULES)
    known = next(each for each in found if each is not None)
    return StepIdentity(known.pipeline[:_LONGEST], known.run[:_LONGEST], known.step[:_LONGEST])


def is_step(pod: VisitingPod) -> bool:
    """Tell whether a pod does work of its own: KFP's drivers only prepare a step."""
    return "driver" not in {pod.labels.get(KFP_ROLE), pod.annotations.get(KFP_ROLE)}


def _labelled(pod: VisitingPod) -> StepIdentity | None:
    """Several Jobs may be one run, where their owner says so."""
    run = pod.labels.get(RUN)
    if not run:
        return None
    job = next((pod.labels[key] for key in JOB if pod.labels.get(key)), pod.at.name)
    return StepIdentity(pod.labels.get(PIPELINE) or _GENERATED.sub("", run), run, pod.labels.get(STEP) or job)


def _kfp(pod: VisitingPod) -> StepIdentity | None:
    run, workflow = pod.labels.get(KFP_RUN), pod.labels.get(WORKFLOW)
    if not run or not workflow:
        return None
    pipeline = _GENERATED.sub("", workflow)
    return StepIdentity(pipeline, f"{pipeline}-{run}", _step_of_node(pod, workflow))


def _argo(pod: VisitingPod) -> StepIdentity | None:
    workflow = pod.labels.get(WORKFLOW)
    if not workflow:
        return None
    pipeline = pod.labels.get(CRON) or pod.labels.get(TEMPLATE) or _GENERATED.sub("", workflow)
    return StepIdentity(pipeline, _of_owner(workflow, pod), _step_of_node(pod, workflow))


def _katib(pod: VisitingPod) -> StepIdentity | None:
    trial = pod.labels.get(TRIAL)
    if not trial:
        return None
    return StepIdentity(pod.labels.get(EXPERIMENT) or _GENERATED.sub("", trial), _of_owner(trial, pod), "trial")


def _job(pod: VisitingPod) -> StepIdentity | None:
    job = next((pod.labels[key] for key in JOB if pod.labels.get(key)), "")
    if not job:
        return None
    uid = next((pod.labels[key] for key in JOB_UID if pod.labels.get(key)), "")
    index = pod.annotations.get(INDEX) or pod.labels.get(INDEX)
    return StepIdentity(job, f"{job}-{uid[:8]}" if uid else _of_owner(job, pod), f"{job}-{index}" if index else job)


def _owned(pod: VisitingPod) -> StepIdentity | None:
    """A StatefulSet's pod, say: it comes back under its name, as another attempt of the same step."""
    if pod.owner is None:
        return None
    return StepIdentity(pod.owner.name, _of_owner(pod.owner.name, pod), pod.at.name)


def _alone(pod: VisitingPod) -> StepIdentity:
    return StepIdentity(pod.at.name, f"{pod.at.name}-{pod.at.uid[:8]}", pod.at.name)


_RULES: tuple[Callable[[VisitingPod], StepIdentity | None], ...] = (
    _labelled,
    _kfp,
    _argo,
    _katib,
    _job,
    _owned,
    _alone,
)


def _of_owner(name: str, pod: VisitingPod) -> str:
    """Give a name that no later object of the same name has."""
    return f"{name}-{pod.owner.uid[:8]}" if pod.owner else name


def _step_of_node(pod: VisitingPod, workflow: str) -> str:
    """Read Argo's name of a node: `wf.root.train.executor(1)` and `wf[0].train` are the step train."""
    name = _STEPS_GROUP.sub("", _RETRY.sub("", pod.annotations.get(NODE_NAME, "")))
    parts = [part for part in name.removeprefix(workflow).split(".") if part and part not in _NO_STEPS]
    return parts[-1] if parts else _GENERATED.sub("", workflow)
