"""Who the driver says it is, and where its volumes can be reached from."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rokcsi.csi.driver import DriverIdentity
from rokcsi.model.errors import InvalidRequest

LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
def test_any_node_id_is_a_place_or_refused(node_id: str) -> None:
    try:
        identity = DriverIdentity(version="1", node_id=node_id)
    except InvalidRequest:
        return
    [value] = identity.segments.values()
    assert LABEL_VALUE.fullmatch(value)
    assert identity.reached_from(identity.segments)


@pytest.mark.parametrize(
    "fields",
    [
        {"node_id": ""},
        {"node_id": "a\nb"},
        {"node_id": "x" * 193},
        {"name": ""},
        {"name": "x" * 64},
        {"name": "-a"},
        {"name": "a/b"},
        {"topology_key": "a/b/c"},
        {"topology_key": "/a"},
        {"topology_key": "a b"},
        {"max_volumes_per_node": -1},
    ],
)
def test_an_identity_that_callers_could_not_use_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        DriverIdentity(**{"version": "1", "node_id": "node-1", **fields})  # type: ignore[arg-type]  # wrong on purpose


def test_keys_of_a_place_compare_without_their_case() -> None:
    here = DriverIdentity(version="1", node_id="node-1")
    assert here.reached_from({"Topology.RokCSI.dev/Node": "node-1"})
    assert here.reached_from({})
    assert not here.reached_from({"topology.rokcsi.dev/node": "NODE-1"})
    assert not here.reached_from({"topology.rokcsi.dev/node": "node-1", "zone": "z"})
