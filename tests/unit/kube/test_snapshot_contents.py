"""VolumeSnapshots that ask to be a checkpoint, and their contents, with the real client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rokcsi.kube.owner_events import SNAPSHOT, OwnerEvents
from rokcsi.kube.snapshot_contents import KubernetesSnapshotContents
from rokcsi.kube.snapshot_watch import snapshot_watch
from rokcsi.model.claims import NamespacedName
from rokcsi.model.requested_snapshots import RequestedSnapshot
from rokcsi.timeline.telling import Telling
from tests.fakes.api_server import ApiState
from tests.fakes.claims import CountedPlacements
from tests.fakes.kube_objects import CONTENTS, SNAPSHOTS, Object, a_content
from tests.fakes.patience import eventually

DRIVER = "rokcsi.dev"
NAME = NamespacedName("work", "again")
CONTENT = "rokcsi.work.again"


def wished(name: str = "again", origin: str = "0b7cf0b9", content: str = CONTENT, uid: str = "u1") -> Object:
    """Give a VolumeSnapshot as its owner writes it."""
    annotations = {"rok/origin": origin} if origin else None
    metadata = {"namespace": "work", "name": name, "uid": uid, "annotations": annotations}
    return {"metadata": metadata, "spec": {"source": {"volumeSnapshotContentName": content}}}


@pytest.fixture
def contents(served: tuple[ApiState, Any]) -> KubernetesSnapshotContents:
    return KubernetesSnapshotContents(served[1], DRIVER)


def found(contents: KubernetesSnapshotContents) -> RequestedSnapshot:
    snapshot = contents.snapshot(NAME)
    assert snapshot is not None
    return snapshot


def test_a_snapshot_is_read_as_its_owner_wrote_it(api: ApiState, contents: KubernetesSnapshotContents) -> None:
    assert contents.snapshot(NAME) is None
    api.have(f"{SNAPSHOTS}/again", wished())
    assert found(contents) == RequestedSnapshot(NAME, "u1", "0b7cf0b9", CONTENT)
    taken = wished(origin="")
    taken["spec"] = {"source": {"persistentVolumeClaimName": "work"}}
    taken["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    api.have(f"{SNAPSHOTS}/again", taken)
    assert found(contents) == RequestedSnapshot(NAME, "u1", "", "", is_leaving=True)


def test_a_content_names_its_snapshot_back_and_deletes_nothing(
    api: ApiState, contents: KubernetesSnapshotContents
) -> None:
    api.have(f"{SNAPSHOTS}/again", wished())
    contents.make(found(contents), "the handle")
    made = api.things[f"{CONTENTS}/{CONTENT}"]
    assert made["spec"] == {
        "deletionPolicy": "Retain",
        "driver": DRIVER,
        "source": {"snapshotHandle": "the handle"},
        "volumeSnapshotRef": {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshot",
            "namespace": "work",
            "name": "again",
            "uid": "u1",
        },
    }
    contents.make(found(contents), "another")  # whoever comes again finds what was made
    assert api.things[f"{CONTENTS}/{CONTENT}"] is made
    read = contents.content(CONTENT)
    assert read is not None
    assert (read.of, read.of_uid, read.is_ours) == (NAME, "u1", True)


def test_a_content_is_ours_by_its_label_and_its_name_together(
    api: ApiState, contents: KubernetesSnapshotContents
) -> None:
    api.have(f"{SNAPSHOTS}/again", wished())
    contents.make(found(contents), "h")
    forged = a_content("c1", of="again", handle="h")
    forged["metadata"] |= {"uid": "x", "labels": {"rokcsi.dev/checkpoint": "work"}}
    api.have(f"{CONTENTS}/c1", forged)
    plain = a_content("rokcsi.work.b", of="b", handle="h")
    plain["metadata"]["uid"] = "y"
    api.have(f"{CONTENTS}/rokcsi.work.b", plain)
    assert [content.name for content in contents.made()] == [CONTENT]


def test_handles_that_contents_of_ours_name_are_known_whoever_made_them(
    api: ApiState, contents: KubernetesSnapshotContents
) -> None:
    api.have(f"{CONTENTS}/c1", a_content("c1", of="a", handle="by status"))
    api.have(f"{CONTENTS}/c2", a_content("c2", of="b", handle="theirs", driver="other.example.com"))
    by_hand = a_content("c3", of="c", handle="")
    by_hand["spec"]["source"] = {"snapshotHandle": "by hand"}
    api.have(f"{CONTENTS}/c3", by_hand)
    assert contents.named() == {"by status", "by hand"}


def test_only_the_content_that_was_read_is_removed(api: ApiState, contents: KubernetesSnapshotContents) -> None:
    api.have(f"{SNAPSHOTS}/again", wished())
    contents.make(found(contents), "h")
    read = contents.content(CONTENT)
    assert read is not None
    api.things[f"{CONTENTS}/{CONTENT}"]["metadata"]["uid"] = "a later one"
    contents.remove(read)
    later = contents.content(CONTENT)
    assert later is not None
    contents.remove(later)
    contents.remove(later)
    assert contents.content(CONTENT) is None


@pytest.fixture
def seen(served: tuple[ApiState, Any]) -> Iterator[list[str]]:
    """Give what the watch tells of: names, and LIST for each new list."""
    told: list[str] = []
    api, client = served
    api.have(f"{SNAPSHOTS}/again", wished())
    watch = snapshot_watch(client, lambda name: told.append(name.name), lambda: told.append("LIST"))
    watch.start()
    eventually(lambda: bool(api.watchers))
    yield told
    watch.stop()


def test_snapshots_that_ask_are_followed_and_others_are_not(api: ApiState, seen: list[str]) -> None:
    assert seen == ["again", "LIST"]
    api.have(f"{SNAPSHOTS}/plain", wished("plain", origin="", content=""))
    api.have(f"{SNAPSHOTS}/wrong", wished("wrong", content="elsewhere"))
    eventually(lambda: seen == ["again", "LIST", "wrong"])
    api.delete(f"{SNAPSHOTS}/again")
    eventually(lambda: seen == ["again", "LIST", "wrong", "again"])


def test_a_snapshots_owner_is_told_on_the_snapshot(
    api: ApiState, served: tuple[ApiState, Any], contents: KubernetesSnapshotContents
) -> None:
    api.have(f"{SNAPSHOTS}/again", wished())
    telling = Telling(OwnerEvents(served[1], "timeline", SNAPSHOT), CountedPlacements())
    telling.tell(found(contents), "OriginRefused", "why")
    ((_, event),) = [(path, each) for path, each in api.things.items() if "/events/" in path]
    about = event["involvedObject"]
    assert (about["kind"], about["apiVersion"]) == ("VolumeSnapshot", "snapshot.storage.k8s.io/v1")
    assert (about["namespace"], about["name"], about["uid"]) == ("work", "again", "u1")
