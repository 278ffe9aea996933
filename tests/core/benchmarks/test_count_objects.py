"""Counting as a benchmark: whole, in part, and not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from fieldguide.benchmarks.count_objects import BoxedImages, CountingBenchmark
from fieldguide.errors import UsageError
from fieldguide.guides import Guide
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

DATA = BoxedImages("toys", "Toys", ("annotations.json",), ("pictures",), images=3)
BENCHMARK = CountingBenchmark(DATA)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    folder = tmp_path_factory.mktemp("model") / "vit"
    return Guide("general", model=str(write_tiny_checkpoint(folder, architecture="vit")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three pictures with 1, 2 and 12 cars, the second with a ship as well."""
    (tmp_path / "pictures").mkdir()
    objects = [(0, 0)] + [(1, 0)] * 2 + [(1, 1)] + [(2, 0)] * 12
    for number in range(3):
        Image.new("RGB", (32, 32), (80 * number, 10, 10)).save(
            tmp_path / "pictures" / f"{number}.png"
        )
    content = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 32, "height": 32} for n in range(3)],
        "categories": [{"id": 0, "name": "car"}, {"id": 1, "name": "ship"}],
        "annotations": [
            {"image_id": image, "category_id": kind, "bbox": [1, 1, 4, 4]}
            for image, kind in objects
        ],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    return tmp_path


def test_a_whole_set_has_a_row_for_each_image_and_class_with_one_to_ten(
    guide: Guide, root: Path
) -> None:
    report = BENCHMARK(guide, root)
    assert str(report.coverage) == "complete: 3 of 3"
    assert report.main.metric == "counting_accuracy"
    assert report.main.n == 3  # one car; two cars and one ship; twelve cars are more than ten
    assert [figure.part for figure in report.figures if figure.part] == ["1", "2"]
    assert [figure.unit for figure in report.figures][:3] == ["percent", "percent", "count"]


def test_a_part_of_the_set_is_named_as_such(guide: Guide, root: Path) -> None:
    (root / "pictures" / "0.png").unlink()
    with pytest.raises(UsageError, match=r"2 of 3 images.*0\.png.*--subset"):
        BENCHMARK(guide, root)
    assert str(BENCHMARK.on_subset(guide, root).coverage) == "subset: 2 of 3"


def test_a_folder_without_the_set_says_how_to_get_it(guide: Guide, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"annotations\.json beside the folder pictures/"):
        BENCHMARK(guide, tmp_path)


def test_a_file_that_is_not_as_published_is_refused(guide: Guide, root: Path) -> None:
    content = json.loads((root / "annotations.json").read_text())
    content["annotations"][0]["bbox"] = [1, 1, 0, 4]
    (root / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="has no size"):
        BENCHMARK(guide, root)
