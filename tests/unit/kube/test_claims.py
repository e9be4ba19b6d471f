"""Claims, sources and events, with the real client against as much of an API server as it asks for."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from rokcsi.kube.claims import KubernetesClaims
from rokcsi.kube.owner_events import OwnerEvents
from rokcsi.model.claims import Claim, NamespacedName, Notice, Source, SourceKind
from rokcsi.model.errors import ClaimChanged, InvalidRequest, RosterAway, SourceNotAllowed, SourceNotReady
from rokcsi.model.ids import PoolId
from tests.fakes.api_server import ApiState, api_server, volume
from tests.fakes.kube_objects import (
    CLAIMS,
    CONTENTS,
    PODS,
    SNAPSHOTS,
    VOLUMES,
    a_claim,
    a_content,
    a_pod,
    a_snapshot,
    a_volume,
)

DRIVER = "rokcsi.dev"
POOL = PoolId("ab" * 16)
NAME = NamespacedName("work", "again")
CLASS = "/apis/storage.k8s.io/v1/storageclasses/rokcsi"


@pytest.fixture
def claims(served: tuple[ApiState, Any]) -> KubernetesClaims:
    return KubernetesClaims(served[1], DRIVER)


def put(api: ApiState, claims: KubernetesClaims, **fields: Any) -> Claim:
    """Have a claim to be cloned; give it as the house reads it."""
    api.have(f"{CLAIMS}/again", a_claim("again", **fields))
    found = claims.claim(NAME)
    assert found is not None
    return found


class ToldOrigins:
    """Knows one origin, and refuses the others as an error says."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def snapshot_for(self, claim: NamespacedName, origin: str) -> str:
        if self.error is not None:
            raise self.error
        return f"{claim} {origin}"


ORIGIN = {"rok/origin": "https://rok/x"}


def test_a_claim_that_is_annotated_with_an_origin_is_a_clone_of_that(served: tuple[ApiState, Any]) -> None:
    api, client = served
    claims = KubernetesClaims(client, DRIVER, ToldOrigins())
    claim = put(api, claims, source=None, annotations=ORIGIN)
    assert claim.source == Source(SourceKind.ORIGIN, "https://rok/x")
    assert claims.handle_of_source(claim) == "work/again https://rok/x"
    named = put(api, claims, annotations=ORIGIN)
    assert named.source.kind is SourceKind.SNAPSHOT


@pytest.mark.parametrize("origins", [None, ToldOrigins(InvalidRequest("not a Rok URL"))])
def test_an_origin_that_nobody_understands_is_refused_in_words(
    served: tuple[ApiState, Any], origins: ToldOrigins | None
) -> None:
    api, client = served
    claims = KubernetesClaims(client, DRIVER, origins)
    with pytest.raises(SourceNotAllowed, match=r"not heard|not a Rok URL"):
        claims.handle_of_source(put(api, claims, source=None, annotations=ORIGIN))


@pytest.mark.parametrize(
    ("provisioner", "mode", "expected"),
    [
        (DRIVER, "WaitForFirstConsumer", True),
        (DRIVER, "Immediate", False),
        ("other.example.com", "WaitForFirstConsumer", False),
    ],
)
def test_only_classes_of_ours_that_wait_for_a_consumer_are_waited_for(
    api: ApiState, claims: KubernetesClaims, provisioner: str, mode: str, *, expected: bool
) -> None:
    claim = put(api, claims)
    assert not claims.waits_for_us(claim)  # there is no such class
    api.have(CLASS, {"metadata": {"name": "rokcsi"}, "provisioner": provisioner, "volumeBindingMode": mode})
    assert claims.waits_for_us(claim) is expected


def test_a_stamp_is_an_annotation_beside_the_others(api: ApiState, claims: KubernetesClaims) -> None:
    claims.stamp(put(api, claims, annotations={"mine": "stays"}), "here")
    annotations = api.things[f"{CLAIMS}/again"]["metadata"]["annotations"]
    assert annotations == {"mine": "stays", "volume.kubernetes.io/selected-node": "here"}
    found = claims.claim(NAME)
    assert found is not None
    assert found.node == "here"


def test_a_reminder_changes_a_claim_each_time_and_leaves_its_node(api: ApiState, claims: KubernetesClaims) -> None:
    claims.stamp(put(api, claims), "here")
    versions = []
    for _ in range(2):
        found = claims.claim(NAME)
        assert found is not None
        assert found.node == "here"
        versions.append(found.version)
        time.sleep(0.002)
        claims.remind(found)
    assert len({*versions, api.things[f"{CLAIMS}/again"]["metadata"]["resourceVersion"]}) == 3


def test_a_claim_that_changed_since_it_was_read_is_not_stamped(api: ApiState, claims: KubernetesClaims) -> None:
    seen = put(api, claims)
    put(api, claims, annotations={"somebody": "else"})
    with pytest.raises(ClaimChanged):
        claims.stamp(seen, "here")
    with pytest.raises(ClaimChanged):
        claims.remind(seen)
    api.delete(f"{CLAIMS}/again")
    with pytest.raises(ClaimChanged):
        claims.stamp(seen, "here")


def test_a_snapshots_handle_is_found_through_its_content(api: ApiState, claims: KubernetesClaims) -> None:
    claim = put(api, claims)
    with pytest.raises(SourceNotReady, match="no content yet"):
        claims.handle_of_source(claim)
    api.have(f"{SNAPSHOTS}/before", a_snapshot("before", content="c1"))
    with pytest.raises(SourceNotReady, match="c1 is not there"):
        claims.handle_of_source(claim)
    api.have(f"{CONTENTS}/c1", a_content("c1", of="before", handle=""))
    with pytest.raises(SourceNotReady, match="still being taken"):
        claims.handle_of_source(claim)
    api.have(f"{CONTENTS}/c1", a_content("c1", of="before", handle="the handle"))
    assert claims.handle_of_source(claim) == "the handle"


def test_a_claims_handle_is_found_through_its_volume(api: ApiState, claims: KubernetesClaims) -> None:
    claim = put(api, claims, source={"kind": "PersistentVolumeClaim", "name": "origin"})
    with pytest.raises(SourceNotReady, match="no volume yet"):
        claims.handle_of_source(claim)
    api.have(f"{CLAIMS}/origin", a_claim("origin", bound="pv1"))
    with pytest.raises(SourceNotReady, match="pv1 is not there"):
        claims.handle_of_source(claim)
    api.have(f"{VOLUMES}/pv1", a_volume("pv1", of="origin", handle="the handle"))
    assert claims.handle_of_source(claim) == "the handle"


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"namespace": "theirs"}, "does not belong to work/before"),
        ({"uid": "another"}, "does not belong to work/before"),
        ({"of": "other"}, "does not belong to work/before"),
        ({"driver": "other.example.com"}, "of the driver other.example.com"),
    ],
)
def test_a_content_that_names_another_snapshot_or_driver_is_refused(
    api: ApiState, claims: KubernetesClaims, other: dict[str, str], told: str
) -> None:
    api.have(f"{SNAPSHOTS}/before", a_snapshot("before", content="c1"))
    api.have(f"{CONTENTS}/c1", a_content("c1", **{"of": "before", "handle": "h", **other}))
    with pytest.raises(SourceNotAllowed, match=told):
        claims.handle_of_source(put(api, claims))


def test_a_volume_that_names_another_claim_is_refused(api: ApiState, claims: KubernetesClaims) -> None:
    api.have(f"{CLAIMS}/origin", a_claim("origin", bound="pv1"))
    api.have(f"{VOLUMES}/pv1", a_volume("pv1", of="origin", handle="h", namespace="theirs"))
    with pytest.raises(SourceNotAllowed, match="does not belong to work/origin"):
        claims.handle_of_source(put(api, claims, source={"kind": "PersistentVolumeClaim", "name": "origin"}))


@pytest.mark.parametrize(
    "source",
    [
        None,
        {"kind": "VolumeSnapshot", "name": "before"},
        {"kind": "VolumeSnapshot", "apiGroup": "snapshot.storage.k8s.io", "name": "b", "namespace": "theirs"},
        {"kind": "Book", "apiGroup": "library.example.com", "name": "b"},
        {"kind": "PersistentVolumeClaim", "apiGroup": "fake.example.com", "name": "b"},
    ],
)
def test_what_is_cloned_from_nothing_of_its_own_namespace_is_no_claim_of_ours(
    api: ApiState, claims: KubernetesClaims, source: dict[str, str] | None
) -> None:
    api.have(f"{CLAIMS}/again", a_claim("again", source=source))
    assert claims.claim(NAME) is None


def test_a_pod_without_a_node_is_told_with_its_claims_and_the_schedulers_words(
    api: ApiState, claims: KubernetesClaims
) -> None:
    name = NamespacedName("work", "trainer")
    api.have(f"{PODS}/trainer", a_pod("trainer", claims=["again"], ephemeral=["scratch"], why="0/2 nodes"))
    found = claims.pod(name)
    assert found is not None
    assert set(found.claims) == {NAME, NamespacedName("work", "trainer-scratch")}
    assert found.why == "0/2 nodes"
    for other in (
        a_pod("trainer", claims=["again"], why="0/2 nodes", node="here"),
        a_pod("trainer", claims=["again"], why=""),
        a_pod("trainer", claims=[], why="0/2 nodes"),
    ):
        api.have(f"{PODS}/trainer", other)
        assert claims.pod(name) is None


@pytest.mark.parametrize(
    ("node", "trouble"),
    [
        ({"spec": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, ""),
        ({"spec": {"unschedulable": True}}, "uncordon"),
        ({"spec": {}, "status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "X"}]}}, "ready .X."),
        ({"spec": {}}, "kubelet is silent"),
    ],
)
def test_what_keeps_pods_from_a_node_is_told(
    api: ApiState, claims: KubernetesClaims, node: dict[str, Any], trouble: str
) -> None:
    assert "no node here any more" in claims.trouble_of("here")
    api.have("/api/v1/nodes/here", {"metadata": {"name": "here"}, **node})
    told = claims.trouble_of("here")
    assert (told == "") is (trouble == "")
    assert not trouble or trouble.split(maxsplit=1)[0] in told


def test_the_node_of_a_pool_is_known_from_its_volumes(api: ApiState, claims: KubernetesClaims) -> None:
    assert claims.node_of(POOL) == ""
    api.volumes = [volume(f"v-{'cd' * 16}-{'0' * 32}", "there"), volume(f"v-{POOL}-{'0' * 32}", "here")]
    assert claims.node_of(POOL) == "here"


def test_an_api_that_is_not_there_is_told_as_one_that_is_away(claims: KubernetesClaims, api: ApiState) -> None:
    seen = put(api, claims)
    with api_server() as (_, other):
        gone = KubernetesClaims(other, DRIVER)
    for ask in (lambda: gone.waits_for_us(seen), lambda: gone.stamp(seen, "here"), lambda: gone.trouble_of("here")):
        with pytest.raises(RosterAway):
            ask()


def test_a_notice_is_one_event_that_is_counted_up_and_made_anew_when_it_has_expired(
    api: ApiState, served: tuple[ApiState, Any], claims: KubernetesClaims
) -> None:
    events, seen = OwnerEvents(served[1], "timeline"), put(api, claims)
    first = dt.datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=dt.UTC)
    later = first + dt.timedelta(minutes=5)
    events.write(seen, Notice("Away", "x" * 2000, first, first, 1))
    events.write(seen, Notice("Away", "still away", first, later, 2))
    ((path, event),) = [(path, each) for path, each in api.things.items() if "/events/" in path]
    assert (event["count"], event["message"], event["lastTimestamp"]) == (2, "still away", "2026-01-01T12:05:00Z")
    assert dt.datetime.fromisoformat(event["firstTimestamp"]) == first.replace(microsecond=0)
    assert event["involvedObject"]["uid"] == seen.uid
    api.delete(path)
    events.write(seen, Notice("Away", "é" * 2000, first, later, 3))
    assert len(api.things[path]["message"].encode()) == 1024
