"""Text search inside scenes of several files and inside an area of interest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine
from rasterio.warp import transform
from shapely.geometry import box, mapping, shape

from fieldguide.guides import Guide
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    Make = Callable[..., Path]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


def raster(path: Path) -> Path:
    grid = Affine(10, 0, 600_000, 0, -10, 5_100_000)
    size = {"count": 3, "height": 512, "width": 512, "dtype": "uint16"}
    profile = {"driver": "GTiff", "crs": "EPSG:32632", "transform": grid, **size}
    with rasterio.open(path, "w", **profile) as target:
        target.write(np.random.default_rng(1).integers(1, 9000, (3, 512, 512)).astype("uint16"))
        target.descriptions = ("red", "green", "blue")
    return path


def area(path: Path) -> BaseGeometry:
    """Write the area of columns 300 to 420 and rows 60 to 180."""
    xs, ys = [603_000, 604_200, 604_200, 603_000], [5_098_200, 5_098_200, 5_099_400, 5_099_400]
    lon, lat = transform("EPSG:32632", "EPSG:4326", xs, ys)[:2]
    polygon = box(min(lon), min(lat), max(lon), max(lat))
    path.write_text(json.dumps(mapping(polygon)))
    return polygon


def test_a_safe_folder_is_searched_like_any_raster(
    tmp_path: Path, make_safe: Make, model: str
) -> None:
    guide = Guide("remote_sensing", model=model)
    found = guide.locate(make_safe(tmp_path), "river", windows=[32], vectors=tmp_path, top=3)
    assert len(found) == 3
    outline = box(10.29, 46.03, 10.31, 46.05)
    for region in found:
        assert shape(region.metadata["geometry"]).within(outline)
        assert region.metadata["captured_at"] == "2022-07-11T10:15:59+00:00"


def test_only_windows_that_hold_a_part_of_the_area_are_found(tmp_path: Path, model: str) -> None:
    polygon = area(tmp_path / "area.geojson")
    guide = Guide("remote_sensing", model=model, options={"aoi": str(tmp_path / "area.geojson")})
    path = raster(tmp_path / "a.tif")
    found = guide.locate(path, "river", windows=[32], vectors=tmp_path, top=500)
    assert len(found) > 10
    for region in found:
        assert shape(region.metadata["geometry"]).intersects(polygon)
    whole = Guide("remote_sensing", model=model)
    assert len(whole.locate(path, "river", windows=[32], vectors=tmp_path, top=500)) > 100


def test_a_ground_sample_distance_is_refused_with_the_option_that_fits(
    tmp_path: Path, model: str
) -> None:
    guide = Guide("remote_sensing", model=model, options={"gsd": 20.0})
    found = guide.locate(raster(tmp_path / "a.tif"), "river", vectors=tmp_path)
    ((_, status, reason),) = found.skipped
    assert status == "refused"
    assert "--gsd does not apply. Leave it out, and say how large" in " ".join(reason.split())


def test_a_plain_picture_is_searched_too(tmp_path: Path, model: str) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    guide = Guide("remote_sensing", model=model)
    found = guide.locate(tmp_path / "a.png", "river", windows=[32], vectors=tmp_path, top=2)
    assert len(found) == 2
