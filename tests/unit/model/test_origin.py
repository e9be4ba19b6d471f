"""Addresses of versions: written and read back, and refused when they are something else."""

from __future__ import annotations

import contextlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.origin import Origin, VersionReference

ID = "0f3d5e66-2b1a-4c7d-9e8f-001122334455"
_WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=30)


def test_an_address_reads_as_roks_do() -> None:
    origin = Origin("notebooks", "lab_data", ID, "team", "rok.example.org")
    assert str(origin) == f"https://rok.example.org/rok/swift/v1/team/notebooks/lab_data?version={ID}"
    assert str(Origin("notebooks", "lab", ID)) == f"/rok/swift/v1/default/notebooks/lab?version={ID}"


@given(_WORDS, _WORDS, _WORDS, st.uuids(), st.sampled_from(["", "rok.example.org", "localhost:8080"]))
def test_an_address_is_read_back_as_it_was_written(
    bucket: str, filed: str, namespace: str, version: uuid.UUID, host: str
) -> None:
    origin = Origin(bucket, filed, str(version), namespace, host)
    assert Origin.parse(str(origin)) == origin
    assert VersionReference.parse(str(origin)) == VersionReference(str(version), origin)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        (ID, ID),
        (ID.upper(), ID),
        (f"  {ID}\n", ID),
        ("0f3d5e", "0f3d5e"),
        ("0f3d5e66", "0f3d5e66"),
        ("0f3d5e66-2b", "0f3d5e66-2b"),
        ("0f3d5e662b1a4c7d9e8f001122334455", ID),
    ],
)
def test_an_id_or_its_beginning_names_a_version(text: str, prefix: str) -> None:
    assert VersionReference.parse(text) == VersionReference(prefix)


@pytest.mark.parametrize(
    "text",
    [
        *("", "0f3d5", "latest", "0f3d5g", ID + "0", "%", "0f3d5e%", "../x", "a\0b", "x" * 5000),
        "https://rok.example.org/rok/swift/v1/team/notebooks/lab",
        "/rok/swift/v1/team/notebooks/lab?version=",
        "/rok/swift/v1/team/notebooks/lab?version=latest",
        f"/rok/swift/v1/team/notebooks/lab?version={ID}&version={ID}",
        f"/rok/swift/v1/notebooks/lab?version={ID}",
        f"/rok/swift/v1/team/a/b/c?version={ID}",
        f"ftp://rok.example.org/rok/swift/v1/team/notebooks/lab?version={ID}",
        f"http://[/rok/swift/v1/team/notebooks/lab?version={ID}",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        VersionReference.parse(text)


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidRequest):
        assert len(VersionReference.parse(text).prefix) >= 6
