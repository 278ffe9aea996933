"""Shared fixtures."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: threads would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

hypothesis.settings.register_profile("no_clock", deadline=None)  # speed is for benchmarks/
hypothesis.settings.load_profile("no_clock")

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


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the tests off the user's cache and salt; processes that they start take them over."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDGUIDE_CACHE", str(folder))
        patch.setenv("FIELDGUIDE_SALT_FILE", str(folder / "private" / "salt"))
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        yield folder


@pytest.fixture(autouse=True)
def a_process_of_its_own() -> Iterator[None]:
    """Undo what --quiet and --offline set for a whole process: each test stands for one."""
    logger, offline = logging.getLogger("fieldguide"), os.environ.get("HF_HUB_OFFLINE")
    level = logger.level
    yield
    logger.setLevel(level)
    os.environ.pop("HF_HUB_OFFLINE", None)
    if offline is not None:
        os.environ["HF_HUB_OFFLINE"] = offline


@pytest.fixture
def shared_data() -> Path:
    """The folder of development data; tests that use it are marked ``shared_data``."""
    return Path(os.environ[DATA_VARIABLE]).resolve()
