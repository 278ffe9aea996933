"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA_VARIABLE = "FIELDGUIDE_TEST_DATA"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what needs the development data where there is none."""
    folder = os.environ.get(DATA_VARIABLE)
    if folder and Path(folder).is_dir():
        return
    reason = f"needs the development data: set {DATA_VARIABLE} to its folder"
    for item in items:
        if item.get_closest_marker("shared_data"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def shared_data() -> Path:
    """The folder of development data; tests that use it are marked ``shared_data``."""
    return Path(os.environ[DATA_VARIABLE]).resolve()
