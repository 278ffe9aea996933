"""Text search in rasters: what is read, where it lies, and that one range shows all windows."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import tifffile
from click.testing import CliRunner
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.errors import LoadError
from fieldguide.localization.grid import make_grid
from fieldguide.samples import Window
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_remote_sensing.geotiff import GeoTiffLoader
from fieldguide_remote_sensing.windowed import WindowedRaster, open_windows

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.guides import Guide

GRID = Affine(10, 0, 500_000, 0, -10, 5_000_000)
NAMES = ("red", "green", "blue", "nir")


def write(path: Path, array: np.ndarray[Any, Any], **options: Any) -> Path:
    """Write (H, W, C) as a GeoTIFF with 10 m pixels in UTM zone 32 north."""
    profile = {"driver": "GTiff", "crs": "EPSG:32632", "transform": GRID} | options
    height, width, count = array.shape
    size = {"height": height, "width": width, "count": count, "dtype": array.dtype}
    with rasterio.open(path, "w", **profile, **size) as target:
        target.write(np.moveaxis(array, -1, 0))
        target.descriptions = NAMES[:count]
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """500 x 400 px of 16 bits: dark on the left, bright on the right."""
    values = np.random.default_rng(1).integers(200, 400, (500, 400, 4)).astype(np.uint16)
    values[:, 200:] += 5000
    return write(tmp_path / "scene.tif", values)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    model = write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")
    return fg.guide("remote_sensing", model=str(model), device="cpu", batch_size=16)


def test_a_window_holds_the_pixels_of_its_place(scene: Path) -> None:
    window = Window((120, 250), (40, 30))
    with open_windows(GeoTiffLoader(), scene) as source, rasterio.open(scene) as plain:
        sample = source.read(window, 224)
        expected = plain.read()[:, 120:160, 250:280]
    assert np.array_equal(np.moveaxis(sample.array, -1, 0), expected)
    assert sample.bands == NAMES
    assert source.size_px == (500, 400)
    assert source.pixel_size_m == 10.0


def test_only_the_bands_that_a_model_takes_are_read(scene: Path) -> None:
    window = Window((120, 250), (40, 30))
    with open_windows(GeoTiffLoader(), scene) as source:
        whole = source.read(window, 224)
    with open_windows(GeoTiffLoader(), scene, ("nir", "red")) as source:
        part = source.read(window, 224)
    assert part.bands == ("red", "nir")
    assert np.array_equal(part.array, whole.array[..., [0, 3]])
    assert part.display_range is not None
    assert whole.display_range is not None
    assert part.display_range["nir"] == whole.display_range["nir"]


def test_a_raster_without_the_bands_that_are_wanted_is_read_whole(scene: Path) -> None:
    with open_windows(GeoTiffLoader(), scene, ("thermal",)) as source:
        assert source.read(Window((0, 0), (9, 9)), 9).bands == NAMES


@pytest.mark.parametrize("offset", [None, 0.0, -100.0])
def test_bands_alone_become_the_reflectance_that_they_have_among_others(
    scene: Path, offset: float | None
) -> None:
    values = np.random.default_rng(1).integers(900, 4000, (60, 60, 4)).astype(np.uint16)
    path = write(scene.parent / "dn.tif", values)
    loader = GeoTiffLoader(sensor="sentinel2_l2a", offset=offset)
    window = Window((8, 8), (40, 30))
    with open_windows(loader, path) as source:
        whole = source.read(window, 224)
    with open_windows(loader, path, ("blue", "nir")) as source:
        part = source.read(window, 224)
    assert part.units == whole.units
    assert np.array_equal(part.array, whole.array[..., [2, 3]])


def test_a_large_window_is_the_mean_of_its_pixels(scene: Path) -> None:
    with open_windows(GeoTiffLoader(), scene) as source:
        sample = source.read(Window((0, 0), (400, 400)), 100)
    with rasterio.open(scene) as plain:
        whole = plain.read()[:, :400, :400].astype(float)
    means = whole.reshape(4, 100, 4, 100, 4).mean(axis=(2, 4))
    assert sample.size_px == (100, 100)
    assert np.abs(np.moveaxis(sample.array, -1, 0) - means).max() <= 1


def test_all_windows_are_shown_by_the_percentiles_of_the_whole_raster(scene: Path) -> None:
    with rasterio.open(scene) as plain:
        low, high = np.percentile(plain.read(1), (2, 98))
    with open_windows(GeoTiffLoader(), scene) as source:
        dark = source.read(Window((0, 0), (50, 50)), 50)
        bright = source.read(Window((0, 300), (50, 50)), 50)
    assert dark.display_range == bright.display_range
    assert dark.display_range is not None
    assert dark.display_range["red"] == pytest.approx((low, high))


def test_bytes_need_no_range(tmp_path: Path) -> None:
    path = write(tmp_path / "rgb.tif", np.full((20, 20, 3), 9, np.uint8))
    with open_windows(GeoTiffLoader(), path) as source:
        assert source.read(Window((0, 0), (20, 20)), 20).display_range is None


def test_a_window_lies_where_its_corners_lie(scene: Path) -> None:
    with open_windows(GeoTiffLoader(), scene) as source:
        place = source.place(Window((100, 50), (20, 30)))
    bounds = (500_500, 5_000_000 - 1200, 500_800, 5_000_000 - 1000)
    west, south, east, north = transform_bounds("EPSG:32632", "EPSG:4326", *bounds)
    assert place["geometry"]["type"] == "Polygon"
    assert place["west_deg"] == pytest.approx(west, abs=1e-6)
    assert place["south_deg"] == pytest.approx(south, abs=1e-6)
    assert place["east_deg"] == pytest.approx(east, abs=1e-6)
    assert place["north_deg"] == pytest.approx(north, abs=1e-6)
    assert place["crs"] == "EPSG:32632"


def test_what_looks_like_nothing_else_is_found_at_its_place(guide: Guide, tmp_path: Path) -> None:
    values = np.full((400, 400, 3), 90, np.uint8)
    values[130:190, 250:310] = np.random.default_rng(0).integers(0, 256, (60, 60, 3))
    path = write(tmp_path / "one.tif", values)
    index = guide.index(path, tmp_path / "i", windows=[60])
    likeness = index.search(image=values[130:190, 250:310], k=1)[0]
    assert abs(likeness.metadata["row_px"] - 130) <= 30
    assert abs(likeness.metadata["column_px"] - 250) <= 30
    west, south, east, north = (
        likeness.metadata[f"{side}_deg"] for side in ("west", "south", "east", "north")
    )
    middle = transform_bounds("EPSG:4326", "EPSG:32632", west, south, east, north)
    assert abs((middle[0] + middle[2]) / 2 - (500_000 + 2800)) <= 310
    assert abs((middle[1] + middle[3]) / 2 - (5_000_000 - 1600)) <= 310


def test_nodata_windows_are_passed_over_and_counted(guide: Guide, tmp_path: Path) -> None:
    values = np.full((120, 240, 3), 90, np.uint8)
    values[:, 120:] = 0
    path = write(tmp_path / "half.tif", values, nodata=0)
    found = guide.locate(path, "x", windows=[60], overlap=0.0, top=99, vectors=tmp_path)
    assert found.sources[0].empty == 4
    assert found.sources[0].failed == 0
    assert {row["column_px"] for row in found.records()} == {0, 60}


def test_a_damaged_part_is_told_of_and_the_rest_is_searched(guide: Guide, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(1, 255, (512, 256, 3)).astype(np.uint8)
    path = write(
        tmp_path / "torn.tif", values, tiled=True, blockxsize=256, blockysize=256,
        compress="deflate", interleave="pixel",
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        first = tiff.pages[0].dataoffsets[0]
    content[first : first + 40] = b"\xff" * 40  # the head of the first tile
    path.write_bytes(content)
    found = guide.locate(path, "x", windows=[128], overlap=0.0, vectors=tmp_path)
    assert found.sources[0].failed == 4
    assert "GDAL cannot read it" in found.sources[0].faults[0]
    assert {row["row_px"] for row in found.records()} == {256, 384}


def test_a_raster_without_data_is_a_recorded_skip(guide: Guide, tmp_path: Path) -> None:
    path = write(tmp_path / "none.tif", np.zeros((60, 60, 3), np.uint8), nodata=0)
    found = guide.locate(path, "x", windows=[60], vectors=tmp_path)
    assert len(found) == 0
    assert "holds no data" in found.skipped[0][2]


def test_windows_are_read_alike_by_many_threads(scene: Path) -> None:
    grid = make_grid((500, 400), 64, 0.5)
    with GeoTiffLoader().open(scene) as raster:
        source = WindowedRaster(scene, raster)
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda window: source.read(window, 64).array, grid))
        alone = [source.read(window, 64).array for window in grid]
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))


def test_the_command_leaves_files_that_other_programs_open(guide: Guide, scene: Path) -> None:
    folder = scene.parent
    outputs = [folder / name for name in ("found.geojson", "found.parquet", "heat.tif")]
    result = CliRunner().invoke(
        cli,
        ["locate", str(scene), "a river", "a town", "--domain", "remote_sensing", "--model",
         str(guide.planner.model), "--window", "1km", "--top", "3", "--vectors", str(folder),
         *(text for path in outputs for text in ("-o", str(path)))],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = json.loads(outputs[0].read_text("utf-8"))["features"]
    assert [row["properties"]["rank"] for row in rows] == [1, 2, 3, 1, 2, 3]
    with rasterio.open(outputs[2]) as heat:
        assert heat.crs == "EPSG:32632"
        assert heat.descriptions == ("a river", "a town")
        assert heat.bounds == rasterio.open(scene).bounds
    assert all(path.with_name(f"{path.name}.provenance.json").is_file() for path in outputs)


def test_a_file_of_a_kind_that_has_no_windows_says_so(guide: Guide, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no raster")
    with pytest.raises(LoadError, match="no reader"):
        guide.locate(path, "x", vectors=tmp_path)
