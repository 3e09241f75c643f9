"""A hub on loopback with the module's own content, and an empty cache of a client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import Hub


@pytest.fixture
def hub(content) -> Iterator[Hub]:
    with Hub(content) as hub:
        yield hub


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "home"
