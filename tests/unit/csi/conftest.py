from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.csi_driver import CsiDriver, csi_driver


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: sockets allow 107 bytes, pytest's own folders are longer."""
    made = Path(tempfile.mkdtemp(prefix="rokcsi-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def driver(folder: Path) -> Iterator[CsiDriver]:
    with csi_driver(folder) as served:
        yield served
