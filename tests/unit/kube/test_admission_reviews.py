"""What the API server asks about claims that are being made, and what others may send in its place."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest

from rokcsi.kube.admission_reviews import Review, allowed, read_review
from rokcsi.kube.claim_objects import read_claim
from rokcsi.model.claims import NamespacedName, Source, SourceKind
from rokcsi.model.errors import InvalidRequest
from tests.fakes.kube_objects import a_claim, a_review

NODE = "volume.kubernetes.io/selected-node"
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
Object = dict[str, Any]


def read(review: Object) -> Review:
    return read_review(review)


def with_spec(**fields: Any) -> Object:
    made = a_claim("again")
    return {**made, "spec": {key: each for key, each in {**made["spec"], **fields}.items() if each is not None}}


def nameless() -> Object:
    made = a_claim("again")
    made["metadata"] = {"generateName": "again-", "annotations": {}}
    review = a_review({**made, "metadata": {**made["metadata"], "name": "", "namespace": ""}}, namespace="work")
    del review["request"]["object"]["metadata"]["name"], review["request"]["object"]["metadata"]["namespace"]
    del review["request"]["name"]
    return review


def patched(claim: Object, answer: Object) -> Object:
    """Carry an answer's patch out as RFC 6902 says: what an operation's path goes through has to be there."""
    assert answer["response"]["patchType"] == "JSONPatch"
    [operation] = json.loads(base64.b64decode(answer["response"]["patch"]))
    assert operation["op"] == "add"
    *way, last = [part.replace("~1", "/") for part in operation["path"].split("/")[1:]]
    made = copy.deepcopy(claim)
    holder = made
    for part in way:
        holder = holder[part]
    holder[last] = operation["value"]
    return made


def test_a_claim_is_read_as_the_one_that_will_be_there_but_for_what_the_api_server_adds() -> None:
    there = read_claim({**a_claim("again"), "metadata": {**a_claim("again")["metadata"], "resourceVersion": "7"}})
    found = read(a_review(a_claim("again"))).claim
    assert there is not None
    assert found is not None
    assert (found.uid, found.version) == ("", "")
    for field in ("name", "storage_class", "source", "node", "is_open"):
        assert getattr(found, field) == getattr(there, field)


@pytest.mark.parametrize("only", ["dataSource", "dataSourceRef"])
def test_one_of_the_two_fields_for_sources_is_enough(only: str) -> None:
    other = {"dataSource": "dataSourceRef", "dataSourceRef": "dataSource"}[only]
    claim = read(a_review(with_spec(**{other: None}))).claim
    assert claim is not None
    assert claim.source == Source(SourceKind.SNAPSHOT, "before")


def test_a_claim_without_a_name_of_its_own_is_known_by_its_namespace() -> None:
    claim = read(nameless()).claim
    assert claim is not None
    assert claim.name == NamespacedName("work", "")


def test_an_origin_is_a_source() -> None:
    claim = read(a_review(a_claim("again", source=None, annotations={"rok/origin": "https://rok/x"}))).claim
    assert claim is not None
    assert claim.source == Source(SourceKind.ORIGIN, "https://rok/x")


@pytest.mark.parametrize("annotations", [{}, {"mine": "stays"}, None])
def test_a_node_is_put_beside_the_annotations_that_are_there(annotations: dict[str, str] | None) -> None:
    review = a_review(a_claim("again", annotations=annotations))
    if annotations is None:
        del review["request"]["object"]["metadata"]["annotations"]
    made = patched(review["request"]["object"], dict(allowed(read(review), "here")))
    assert made["metadata"]["annotations"] == {**(annotations or {}), NODE: "here"}


def test_without_a_node_the_answer_is_yes_and_nothing_else() -> None:
    assert allowed(read(a_review(a_claim("again")))) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": UID, "allowed": True},
    }


@pytest.mark.parametrize(
    "review",
    [
        a_review(a_claim("again"), operation="UPDATE"),
        a_review(a_claim("again"), operation="DELETE", object=None),
        a_review(a_claim("again"), subResource="status"),
        a_review(a_claim("again"), resource={"group": "", "version": "v1", "resource": "pods"}),
        a_review(a_claim("again", source=None)),
        a_review(a_claim("again", annotations={NODE: "elsewhere"})),
        a_review(a_claim("again", bound="pv-7")),
        a_review(with_spec(storageClassName=None)),
        a_review(with_spec(dataSourceRef={"kind": "Anything", "apiGroup": "example.com", "name": "before"})),
        a_review(
            with_spec(
                dataSource=None,
                dataSourceRef={
                    "kind": "VolumeSnapshot",
                    "apiGroup": "snapshot.storage.k8s.io",
                    "name": "before",
                    "namespace": "theirs",
                },
            )
        ),
        a_review(a_claim("again"), object=None),
    ],
)
def test_what_is_not_a_claim_that_waits_for_its_node_is_let_through(review: Object) -> None:
    assert read(review).claim is None


@pytest.mark.parametrize(
    "review",
    [
        a_review(a_claim("../../../secrets/x")),
        a_review(a_claim("again"), namespace="../kube-system"),
        a_review(a_claim("again"), namespace=""),
        a_review(with_spec(storageClassName="x/../../y")),
        a_review(
            with_spec(
                dataSource=None,
                dataSourceRef={"kind": "PersistentVolumeClaim", "name": "..%2f..%2fnamespaces%2fkube-system"},
            )
        ),
        a_review(with_spec(dataSource=None, dataSourceRef={"kind": "PersistentVolumeClaim", "name": "a\nb"})),
        a_review(with_spec(dataSource=None, dataSourceRef={"kind": "PersistentVolumeClaim", "name": "a" * 254})),
    ],
)
def test_names_that_cannot_be_are_asked_about_nowhere(review: Object) -> None:
    assert read(review).claim is None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {**a_review(a_claim("again")), "apiVersion": "admission.k8s.io/v1beta1"},
        {**a_review(a_claim("again")), "kind": ["AdmissionReview"]},
        {**a_review(a_claim("again")), "request": "please"},
        a_review(a_claim("again"), uid=""),
        a_review(a_claim("again"), uid=7),
        a_review(a_claim("again"), uid="u" * 129),
        a_review(a_claim("again"), namespace=["work"]),
        a_review(a_claim("again"), object=[1]),
        a_review(a_claim("again"), object={"metadata": "x", "spec": {}}),
        a_review(with_spec(dataSource="before")),
        a_review(with_spec(dataSourceRef={"kind": ["VolumeSnapshot"], "name": "before"})),
        a_review(with_spec(storageClassName={})),
        a_review({**a_claim("again"), "metadata": {"name": "x", "namespace": "work", "annotations": 1}}),
    ],
)
def test_what_the_api_server_would_not_send_is_no_review(document: Object) -> None:
    with pytest.raises(InvalidRequest):
        read_review(document)
