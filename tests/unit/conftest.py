"""What unit tests of several rooms start from."""

from __future__ import annotations

import pytest

from tests.fakes.certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give who signs certificates."""
    return Authority(tmp_path_factory.mktemp("tls"))
