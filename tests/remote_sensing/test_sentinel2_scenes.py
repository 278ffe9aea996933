"""Real Sentinel-2 scenes through every command, and the geometry that comes out of each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from click.testing import CliRunner
from rasterio.transform import Affine

from fieldguide.cli import cli

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

pytestmark = pytest.mark.shared_data

SCENES = 5
LABELS = ("--label", "forest", "--label", "sea", "--label", "desert")
MODALITIES = ("rgb_scene", "multispectral_scene")


def run(*arguments: str) -> None:
    result = CliRunner().invoke(cli, [*arguments, "--quiet"])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def level_1c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The thirteen-band scenes, which are arrays, as GeoTIFFs of reflectance."""
    source = Path(os.environ["FIELDGUIDE_TEST_DATA"]) / "remote_sensing/sentinel2_l2a"
    folder = tmp_path_factory.mktemp("l1c")
    for number, scene in enumerate(np.load(source / "eo_learn_13band_scenes.npy")):
        bands = np.moveaxis(scene.astype(np.float32), -1, 0)
        grid = Affine(10, 0, 400_000 + 2000 * number, 0, -10, 5_100_000)
        with rasterio.open(
            folder / f"{number}.tif", "w", driver="GTiff", crs="EPSG:32633", transform=grid,
            count=13, height=bands.shape[1], width=bands.shape[2], dtype="float32",
        ) as target:  # fmt: skip
            target.write(bands)
    return folder


@pytest.fixture(params=["sentinel2_l2a", "sentinel2_l1c"])
def scenes(request: pytest.FixtureRequest, shared_data: Path, level_1c: Path) -> tuple[str, Path]:
    """The sensor and the folder of its five scenes."""
    if request.param == "sentinel2_l1c":
        return request.param, level_1c
    return request.param, shared_data / "remote_sensing/sentinel2_l2a"


def footprints(folder: Path) -> dict[str, BaseGeometry]:
    """Return the outline of each file in degrees, by GeoPandas."""
    found = {}
    for path in sorted(folder.glob("*.tif")):
        with rasterio.open(path) as raster:
            corners = shapely.box(*raster.bounds)
            outline = geopandas.GeoSeries([corners], crs=raster.crs.to_wkt()).to_crs(4326)
        found[path.name] = outline[0]
    return found


def features(path: Path) -> list[tuple[dict[str, Any], BaseGeometry]]:
    rows = json.loads(path.read_text("utf-8"))["features"]
    return [(row["properties"], shapely.geometry.shape(row["geometry"])) for row in rows]


def same(one: BaseGeometry, other: BaseGeometry) -> bool:
    """Return whether two outlines cover the same ground to a thousandth."""
    return bool(one.intersection(other).area > 0.999 * one.union(other).area)


@pytest.mark.parametrize("modality", MODALITIES)
def test_scenes_are_classified_at_their_places(
    scenes: tuple[str, Path], modality: str, tmp_path: Path
) -> None:
    sensor, folder = scenes
    out = tmp_path / "named.geojson"
    run("classify", str(folder / "*.tif"), "--domain", "remote_sensing", "--modality", modality,
        "--sensor", sensor, *LABELS, "-o", str(out))  # fmt: skip
    expected = footprints(folder)
    named = features(out)
    assert len(named) == SCENES
    for properties, place in named:
        assert properties["status"] == "ok"
        assert properties["label"] in LABELS
        assert same(place, expected[Path(properties["path"]).name])


@pytest.mark.parametrize("modality", MODALITIES)
def test_scenes_are_indexed_and_found_at_their_places(
    scenes: tuple[str, Path], modality: str, tmp_path: Path
) -> None:
    sensor, folder = scenes
    index, out = tmp_path / "scenes.fg", tmp_path / "hits.geojson"
    run("index", str(folder / "*.tif"), "--domain", "remote_sensing", "--modality", modality,
        "--sensor", sensor, "-o", str(index))  # fmt: skip
    result = CliRunner().invoke(cli, ["search", str(index), "the sea", "-o", str(out), "--quiet"])
    assert result.exit_code == 0, result.output
    expected = footprints(folder)
    hits = features(out)
    assert len(hits) == SCENES
    for properties, place in hits:
        assert same(place, expected[Path(properties["path"]).name])


@pytest.mark.parametrize("modality", MODALITIES)
def test_scenes_are_searched_and_regions_lie_inside_them(
    scenes: tuple[str, Path], modality: str, tmp_path: Path
) -> None:
    sensor, folder = scenes
    path = min(folder.glob("*.tif"))
    out, heat = tmp_path / "found.geojson", tmp_path / "heat.tif"
    run("locate", str(path), "water", "--domain", "remote_sensing", "--modality", modality,
        "--sensor", sensor, "--window", "500m", "--top", "3", "--vectors", str(tmp_path),
        "-o", str(out), "-o", str(heat))  # fmt: skip
    whole = footprints(folder)[path.name]
    regions = features(out)
    assert [properties["rank"] for properties, _ in regions] == [1, 2, 3]
    for _, place in regions:
        assert place.within(whole.buffer(1e-5))
    with rasterio.open(path) as source, rasterio.open(heat) as map_:
        assert map_.crs == source.crs
        assert map_.bounds == pytest.approx(source.bounds)
