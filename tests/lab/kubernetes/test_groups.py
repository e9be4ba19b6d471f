"""Groups of snapshots: several claims of one pod cut at one instant, and all of them again in another pod."""

from __future__ import annotations

import pytest

from tests.lab.kubernetes.kubectl import Kubectl
from tests.lab.kubernetes.objects import claim, group_snapshot, of_snapshot, pod

pytestmark = pytest.mark.lab
MEMBERS = ("workspace", "data", "models")
GROUP = {"notebook": "titanic"}
# One writer goes round: at any instant data has as many lines as models or one more, and so on to workspace.
WRITE = """
for each in data models workspace; do echo $each >$each/name; done
(n=0; while :; do n=$((n+1)); for each in data models workspace; do echo $n >>$each/log; done; done) &
sleep 3"""
COMPARE = """
lines() { wc -l <$(dirname $(grep -lx $1 */name))/log; }
data=$(lines data) models=$(lines models) workspace=$(lines workspace)
echo $data $models $workspace
[ $workspace -gt 0 ]
[ $data -ge $models ]
[ $models -ge $workspace ]
[ $data -le $((workspace + 1)) ]"""


def test_three_claims_are_cut_at_one_instant_while_they_are_written_and_clones_of_them_run_in_one_pod(
    kubectl: Kubectl,
) -> None:
    kubectl.make(*(claim(name, labels=GROUP) for name in MEMBERS), pod("notebook", MEMBERS, WRITE))
    kubectl.wait("condition=Ready", "pod/notebook")
    kubectl.make(group_snapshot("together", GROUP))
    kubectl.wait("jsonpath={.status.readyToUse}=true", "volumegroupsnapshot/together")
    members = [each["metadata"]["name"] for each in kubectl.all("volumesnapshot")]
    assert len(members) == len(MEMBERS)
    clones = [f"again-{number}" for number in range(len(members))]
    kubectl.make(
        *(claim(clone, of_snapshot(member)) for clone, member in zip(clones, members, strict=True)),
        pod("again", clones, COMPARE),
    )
    kubectl.wait("condition=Ready", "pod/again")
    counts = [int(each) for each in kubectl("logs", "again").split()]
    assert counts[0] - counts[2] in {0, 1}
