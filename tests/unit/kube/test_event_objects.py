"""What Events are called."""

from __future__ import annotations

import re

import pytest

from rokcsi.kube.event_objects import event_name

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@pytest.mark.parametrize("about", ["train", "a" * 253, f"{'a' * 199}-b", f"{'a' * 198}.-b", "a." * 120 + "b"])
def test_an_event_has_a_name_that_the_api_server_takes_whatever_it_is_about(about: str) -> None:
    name = event_name(about, "away.1a2b")
    assert _SUBDOMAIN.fullmatch(name)
    assert len(name) <= 253
    assert name.endswith(".away.1a2b")
