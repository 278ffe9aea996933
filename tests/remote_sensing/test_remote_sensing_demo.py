"""The drawn scenes of the demo."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
import rasterio
import yaml
from PIL import Image

from fieldguide.contract import FILL_NODATA, SELECT_BANDS, STRETCH, InputContract
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Reader, Row
from fieldguide.data.routing import make_loaders
from fieldguide_remote_sensing.demo import demo_sets
from fieldguide_remote_sensing.plugin import RGB_SCENE, register_loaders

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.demo_set import DemoSet

CONTRACT = InputContract(size_px=(224, 224), resize="squash", mean=(127.0,) * 3, std=(128.0,) * 3)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    (only,) = demo_sets(tmp_path_factory.mktemp("demo") / "scenes")
    return only


def read(path: Path) -> Row:
    specs, item = list(register_loaders()), Item(str(path), path.name, path)
    reader = Reader(make_loaders([item], specs, {}), specs, CONTRACT, RGB_SCENE.repairs)
    return reader.read(item)[0]


def test_every_picture_is_read_and_the_heights_are_refused(demo: DemoSet) -> None:
    statuses = {image.path.name: read(image.path).status for image in demo.images}
    refused = [image.path.name for image in demo.images if image.truth is None]
    assert refused == ["elevation.tif"]
    assert statuses.pop("elevation.tif") == "refused"
    assert set(statuses.values()) == {"ok"}


def test_the_refusal_of_heights_says_what_is_missing(demo: DemoSet) -> None:
    assert "the model needs red, green, blue" in read(demo.images[-1].path).reason


def test_the_raster_is_repaired_by_name_and_says_so(demo: DemoSet) -> None:
    (river,) = [image.path for image in demo.images if image.truth == "river"]
    with rasterio.open(river) as dataset:
        assert dataset.descriptions == ("blue", "green", "red", "nir")
        assert (dataset.crs.to_epsg(), dataset.nodata) == (32632, 0)
    assert read(river).reason == f"repaired: {SELECT_BANDS}, {STRETCH}, {FILL_NODATA}"


def test_the_scenes_are_of_the_promised_size_and_not_flat(demo: DemoSet) -> None:
    for image in demo.images:
        if image.path.suffix == ".jpg":
            with Image.open(image.path) as picture:
                assert picture.size == (384, 384)
                assert max(high - low for low, high in picture.getextrema()) > 60


def test_labels_hold_every_truth_and_six_to_eight_others_of_aid(demo: DemoSet) -> None:
    resource = files("fieldguide_remote_sensing") / "prompts/aid.yaml"
    known = {entry["label"] for entry in yaml.safe_load(resource.read_text("utf-8"))["classes"]}
    truths = {image.truth for image in demo.images} - {None}
    assert truths <= set(demo.labels) <= known
    assert 6 <= len(set(demo.labels) - truths) <= 8


def test_the_pictures_say_that_they_are_drawn(demo: DemoSet) -> None:
    assert {image.origin for image in demo.images} == {"drawn by fieldguide"}
    assert "proves nothing about real imagery" in demo.note


def test_the_files_are_the_same_at_every_call(demo: DemoSet, tmp_path: Path) -> None:
    (again,) = demo_sets(tmp_path)
    for first, second in zip(demo.images, again.images, strict=True):
        assert first.path.read_bytes() == second.path.read_bytes(), first.path.name
