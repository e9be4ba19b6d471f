"""Pods that cannot be where their clone's data is."""

from __future__ import annotations

from dataclasses import replace

from rokcsi.model.claims import HomelessPod, NamespacedName
from rokcsi.timeline.homeless import REASON, Homeless
from rokcsi.timeline.telling import Telling
from tests.fakes.claims import NAME, CountedPlacements, KeptNotices, MemoryClaims, claim

POD = HomelessPod(NamespacedName("work", "trainer"), "1", (NAME,), "0/2 nodes are available: 1 had no room")


def looked(claims: MemoryClaims, pod: HomelessPod = POD) -> tuple[KeptNotices, float | None]:
    notices = KeptNotices()
    return notices, Homeless(claims, Telling(notices, CountedPlacements())).look(pod)


def test_the_claims_owner_hears_the_node_and_what_the_scheduler_says() -> None:
    claims = MemoryClaims(pods={POD.name: POD})
    claims.put(claim(node="here"))
    notices, again = looked(claims)
    ((name, notice),) = notices.written
    assert (name, notice.reason) == (NAME, REASON)
    assert "on node here" in notice.text
    assert "pod trainer has to run there" in notice.text
    assert "1 had no room" in notice.text
    assert again is not None


def test_a_pod_that_has_its_node_by_now_or_was_made_anew_is_no_more_looked_at() -> None:
    claims = MemoryClaims()
    claims.put(claim(node="here"))
    assert looked(claims)[1] is None
    claims.pods[POD.name] = replace(POD, uid="2")
    notices, again = looked(claims)
    assert (notices.written, again) == ([], None)


def test_claims_that_are_no_clones_of_ours_or_not_placed_yet_are_passed_over() -> None:
    claims = MemoryClaims(pods={POD.name: POD})
    assert looked(claims)[0].written == []
    claims.put(claim(node=""))
    assert looked(claims)[0].written == []
    claims.put(claim(node="here"))
    claims.ours = False
    assert looked(claims)[0].written == []
