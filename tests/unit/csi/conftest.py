from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.csi_driver import CsiDriver, csi_driver


@pytest.fixture
def driver(folder: Path) -> Iterator[CsiDriver]:
    with csi_driver(folder) as served:
        yield served
