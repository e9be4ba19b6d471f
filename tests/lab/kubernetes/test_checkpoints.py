"""Checkpoints at the mount, with the real kubelet: jobs run, and nothing of them was changed for it."""

from __future__ import annotations

import pytest

from rokcsi.model.doorkeeper import Side
from rokcsi.model.visits import version_at_door
from tests.fakes.patience import eventually
from tests.lab.kubernetes.checkpoints import address_of, holds, job, pods_of, told, wanted
from tests.lab.kubernetes.kubectl import Kubectl
from tests.lab.kubernetes.objects import claim

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("checkpoints")]


def test_a_job_of_two_volumes_has_both_versions_and_each_is_what_it_was(kubectl: Kubectl) -> None:
    kubectl.make(wanted("work"), wanted("more"))
    kubectl.make(job("train", "cat /work/x /more/x; echo one >/work/x; echo two >/more/x", ["work", "more"]))
    eventually(lambda: bool(pods_of(kubectl, "train")))
    [pod] = pods_of(kubectl, "train")
    uid = pod["metadata"]["uid"]
    eventually(lambda: len(told(kubectl, pod)) == 2, 120)
    before, after = (address_of(told(kubectl, pod), version_at_door(uid, side)) for side in Side)
    holds(kubectl, "empty", before, "work", "test ! -e /empty/x")
    holds(kubectl, "full", after, "work", 'test "$(cat /full/x)" = one')
    holds(kubectl, "other", after, "more", 'test "$(cat /other/x)" = two')


def test_failed_tries_are_attempts_with_their_versions(kubectl: Kubectl) -> None:
    kubectl.make(wanted("tries"))
    kubectl.make(job("fails", "echo $HOSTNAME >>/tries/log; wc -l </tries/log; exit 3", ["tries"], tries=2))
    eventually(lambda: len(pods_of(kubectl, "fails")) == 2, 120)
    eventually(lambda: all(len(told(kubectl, pod)) == 2 for pod in pods_of(kubectl, "fails")), 120)
    texts = [text for pod in pods_of(kubectl, "fails") for text in told(kubectl, pod)]
    assert any("attempt 2" in text for text in texts)


def test_a_claim_in_another_namespace_is_refused_in_words(kubectl: Kubectl, driver: Kubectl) -> None:
    kubectl.make(wanted("mine"), job("makes", "echo secret >/mine/x", ["mine"]))
    eventually(lambda: bool(pods_of(kubectl, "makes")))
    [pod] = pods_of(kubectl, "makes")
    eventually(lambda: len(told(kubectl, pod)) == 2, 120)
    address = address_of(told(kubectl, pod), version_at_door(pod["metadata"]["uid"], Side.AFTER))
    stolen = claim("stolen")
    stolen["metadata"]["annotations"] = {"rok/origin": address}
    driver.make(stolen, job("thief", "cat /stolen/x", ["stolen"]))
    try:
        eventually(lambda: any("granted nothing" in text for text in driver.events("stolen", "SourceRefused")))
        assert driver.get("pvc", "stolen")["status"]["phase"] == "Pending"
    finally:
        driver("delete", "job/thief", "pvc/stolen", "--wait=false")
