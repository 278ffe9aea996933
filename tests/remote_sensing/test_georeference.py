"""Where a raster lies, how fine it is and when it was taken; grids that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from fieldguide.errors import ContractError
from fieldguide_remote_sensing.geotiff import GeoTiffLoader

if TYPE_CHECKING:
    from pathlib import Path

GRID = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def write(path: Path, size_px: tuple[int, int] = (6, 5), **options: Any) -> Path:
    """Write red, green and blue in UTM zone 32 north, unless the options say otherwise."""
    tags = options.pop("tags", {})
    options = {"crs": "EPSG:32632", "transform": GRID, "dtype": "uint8", **options}
    array = np.random.default_rng(7).integers(1, 200, (3, *size_px)).astype(options["dtype"])
    size = {"height": size_px[0], "width": size_px[1], "count": 3}
    with rasterio.open(path, "w", driver="GTiff", photometric="RGB", **size, **options) as target:
        target.write(array)
        target.update_tags(**tags)
    return path


def test_metadata_say_place_scale_date_and_storage(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tif",
        (100, 100),
        dtype="uint16",
        nodata=0,
        tags={"TIFFTAG_DATETIME": "2022:01:17 10:43:43"},
    )
    found = GeoTiffLoader()(path).metadata
    assert found["crs"] == "EPSG:32632"
    assert found["transform"] == (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0)
    assert found["ground_sample_distance_m"] == pytest.approx(10.0)
    assert (found["driver"], found["dtype"], found["nodata"]) == ("GTiff", "uint16", 0.0)
    assert found["captured_at"] == "2022-01-17T10:43:43"
    # x = 500000 m is the central meridian of zone 32, 9 degrees east
    assert found["west_deg"] == pytest.approx(9.0, abs=1e-6)
    # a degree of latitude at 45 degrees north is 111.132 km, reduced by the scale 0.9996
    assert found["north_deg"] - found["south_deg"] == pytest.approx(1 / 111.132, rel=2e-3)


def test_feet_become_metres(tmp_path: Path) -> None:
    grid = Affine(2, 0, 6_000_000, 0, -2, 2_000_000)  # EPSG:2263 counts in US survey feet
    path = write(tmp_path / "a.tif", crs="EPSG:2263", transform=grid)
    found = GeoTiffLoader()(path).metadata
    assert found["ground_sample_distance_m"] == pytest.approx(2 * 1200 / 3937)


def test_degrees_have_no_sample_distance(tmp_path: Path) -> None:
    grid = Affine(0.1, 0, 10, 0, -0.1, 50)
    path = write(tmp_path / "a.tif", crs="EPSG:4326", transform=grid)
    found = GeoTiffLoader()(path).metadata
    assert "ground_sample_distance_m" not in found
    assert (found["west_deg"], found["north_deg"]) == (10, 50)
    assert (found["east_deg"], found["south_deg"]) == (10.5, 49.4)


def test_web_mercator_metres_are_corrected_by_latitude(tmp_path: Path) -> None:
    y_at_60_north = 6_378_137 * np.log(np.tan(np.pi / 4 + np.pi / 6))
    grid = Affine(1, 0, 0, 0, -1, y_at_60_north + 3)
    path = write(tmp_path / "a.tif", crs="EPSG:3857", transform=grid)
    distance_m = GeoTiffLoader()(path).metadata["ground_sample_distance_m"]
    assert distance_m == pytest.approx(0.5, rel=1e-5)  # cos 60 degrees


def test_a_rotated_grid_without_a_crs_is_refused_with_the_command(tmp_path: Path) -> None:
    grid = Affine(8, 6, 0, 6, -8, 0)  # 10 m, turned
    path = write(tmp_path / "a b.tif", crs=None, transform=grid)
    with pytest.raises(ContractError, match=r"gdalwarp -s_srs EPSG:CODE 'a b.tif' north_up.tif$"):
        GeoTiffLoader()(path)


def test_control_points_instead_of_a_grid_are_refused_with_the_command(tmp_path: Path) -> None:
    points = [GroundControlPoint(row, col, col, -row) for row, col in ((0, 0), (0, 5), (6, 0))]
    path = write(tmp_path / "a.tif", transform=None, gcps=points)
    with pytest.raises(ContractError, match=r"gdalwarp a.tif north_up.tif$"):
        GeoTiffLoader()(path)
