"""An API server of ours, and the real client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.api_server import ApiState, api_server


@pytest.fixture
def served() -> Iterator[tuple[ApiState, Any]]:
    with api_server() as pair:
        yield pair


@pytest.fixture
def api(served: tuple[ApiState, Any]) -> ApiState:
    return served[0]
