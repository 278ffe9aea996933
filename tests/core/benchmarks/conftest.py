"""A domain with a class set of leaves, whose folders are written in another way than its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide.plugins import build_catalog

if TYPE_CHECKING:
    from pathlib import Path

CLASS_SET = """
name: leaves
version: "1"
source: made for tests
licence: CC0-1.0
templates: ["a photo of {}."]
classes:
  - {label: oak leaf, names: [oak leaf]}
  - {label: elm or ash, names: [elm, ash], aliases: [bElmAsh]}
"""


@pytest.fixture
def leaves(tmp_path: Path) -> ClassFolders:
    """A data set of five images in two classes; its class set is a file."""
    file = tmp_path / "leaves.yaml"
    file.write_text(CLASS_SET, "utf-8")
    return ClassFolders(
        name="leaves",
        title="Leaves",
        class_set=str(file),
        places=("Leaves/Images", "."),
        counts={"oak leaf": 3, "elm or ash": 2},
    )


@pytest.fixture
def catalog() -> Any:
    """The core's own offers."""
    return build_catalog(found=[])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The whole set in its usual place; the images are empty files, as none is opened."""
    folder = tmp_path / "data"
    for name, count in (("OakLeaf", 3), ("bElmAsh", 2)):
        (folder / "Leaves/Images" / name).mkdir(parents=True)
        for number in range(count):
            (folder / "Leaves/Images" / name / f"{number}.jpg").touch()
    return folder
