"""Windows of rasters: expected places come from closed formulas, rasterio, or by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import rasterio.windows
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import Affine
from shapely.geometry import Point, shape

from fieldguide.errors import ContractError
from fieldguide.samples import Window
from fieldguide_remote_sensing.windows import Grid

if TYPE_CHECKING:
    from pathlib import Path

UTM_32 = CRS.from_epsg(32632)
DEGREES = CRS.from_epsg(4326)
WEB_MERCATOR = CRS.from_epsg(3857)
EARTH_RADIUS_M = 6_378_137.0

windows = st.builds(
    Window,
    st.tuples(st.integers(0, 80), st.integers(0, 60)),
    st.tuples(st.integers(1, 20), st.integers(1, 40)),
)
pixel_sizes = st.floats(0.01, 1000)
origins = st.floats(-5e6, 5e6)


@st.composite
def grids(draw: st.DrawFn, *, turned: bool = False) -> Grid:
    """Draw a grid of 100 x 100 px, north up unless turned."""
    size = draw(pixel_sizes)
    turn = math.radians(draw(st.floats(-180, 180))) if turned else 0.0
    cos, sin = size * math.cos(turn), size * math.sin(turn)
    return Grid(UTM_32, Affine(cos, sin, draw(origins), sin, -cos, draw(origins)), 100, 100)


def rings_of(geometry: Any) -> list[np.ndarray[Any, Any]]:
    """Return the outer rings of a Polygon or MultiPolygon."""
    polygons = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        polygons = [polygons]
    return [np.array(polygon[0]) for polygon in polygons]


def signed_area(ring: np.ndarray[Any, Any]) -> float:
    """Return the area by the shoelace formula: positive against the clock."""
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


@given(grids(), windows)
def test_a_window_and_its_bounds_are_the_same_thing(grid: Grid, window: Window) -> None:
    assert grid.window_of(grid.bounds(window)) == window


@given(grids(turned=True), windows)
def test_on_a_turned_grid_the_window_of_bounds_covers_what_they_are_of(
    grid: Grid, window: Window
) -> None:
    found = grid.window_of(grid.bounds(window))
    assert found is not None
    for axis in (0, 1):
        start, end = window.start_px[axis], window.start_px[axis] + window.size_px[axis]
        assert found.start_px[axis] <= start
        assert found.start_px[axis] + found.size_px[axis] >= end


@given(grids(turned=True), windows)
def test_the_transform_of_a_window_is_rasterios(grid: Grid, window: Window) -> None:
    (row, column), (height, width) = window.start_px, window.size_px
    theirs = rasterio.windows.transform(
        rasterio.windows.Window(column, row, width, height), grid.transform
    )
    assert grid.window_transform(window).almost_equals(theirs, precision=1e-6)
    assert (grid.cut(window).height_px, grid.cut(window).width_px) == window.size_px


@pytest.mark.parametrize(
    "bounds", [(-900, -900, -800, -800), (math.nan, 0, 1, 1), (0, 0, math.inf, 1), (5, 5, 5, 5)]
)
def test_bounds_that_cover_no_pixel_have_no_window(bounds: Any) -> None:
    assert Grid(UTM_32, Affine.scale(1, 1), 100, 100).window_of(bounds) is None


def test_a_window_is_cut_at_the_edge_of_the_raster() -> None:
    grid = Grid(UTM_32, Affine(10, 0, 0, 0, -10, 1000), 100, 100)
    assert grid.window_of((-55, 900, 25, 2000)) == Window((0, 0), (10, 3))


@settings(max_examples=15, deadline=None)
@given(
    size_px=st.tuples(st.integers(60, 200), st.integers(60, 200)),
    out_px=st.tuples(st.integers(4, 30), st.integers(4, 30)),
)
def test_a_decimated_read_lies_within_half_a_pixel_of_where_the_grid_puts_it(
    tmp_path_factory: pytest.TempPathFactory, size_px: tuple[int, int], out_px: tuple[int, int]
) -> None:
    height, width = size_px
    grid = Grid(UTM_32, Affine(10, 0, 500_000, 0, -10, 5_000_000), height, width)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = 500_000 + 10 * columns, 5_000_000 - 10 * rows  # each pixel holds where it is
    path = tmp_path_factory.mktemp("ramp") / "ramp.tif"
    profile = {"driver": "GTiff", "height": height, "width": width, "count": 2, "dtype": "float64"}
    with rasterio.open(path, "w", **profile, crs=UTM_32, transform=grid.transform) as target:
        target.write(np.stack([x, y]))
    with rasterio.open(path) as dataset:
        read = dataset.read(out_shape=(2, *out_px), resampling=Resampling.average)
        placed = Grid.of(dataset).read_as(out_px)
    columns, rows = np.meshgrid(np.arange(out_px[1]) + 0.5, np.arange(out_px[0]) + 0.5)
    assert np.abs(read[0] - (placed.transform.c + placed.transform.a * columns)).max() <= 5
    assert np.abs(read[1] - (placed.transform.f + placed.transform.e * rows)).max() <= 5


def test_corners_in_degrees_are_those_of_the_formula_of_web_mercator() -> None:
    grid = Grid(WEB_MERCATOR, Affine(100, 0, 1_000_000, 0, -100, 6_000_000), 500, 400)
    (ring,) = rings_of(grid.lonlat_polygon(Window((100, 200), (50, 100))))

    def lonlat(x: float, y: float) -> tuple[float, float]:
        lat = math.atan(math.sinh(y / EARTH_RADIUS_M))  # Snyder 1987, equation 7-4
        return math.degrees(x / EARTH_RADIUS_M), math.degrees(lat)

    west, north = lonlat(1_020_000, 5_990_000)
    east, south = lonlat(1_030_000, 5_985_000)
    expected = {(west, north), (west, south), (east, south), (east, north)}
    assert {tuple(np.round(point, 9)) for point in ring} == {
        tuple(np.round(point, 9)) for point in expected
    }


@given(grid=grids(), window=windows)
def test_outer_rings_are_closed_and_run_against_the_clock(grid: Grid, window: Window) -> None:
    geometry = Grid(WEB_MERCATOR, grid.transform, 100, 100).lonlat_polygon(window)
    assert geometry is not None
    for ring in rings_of(geometry):
        assert ring[0].tolist() == ring[-1].tolist()
        assert signed_area(ring) > 0


def test_long_edges_get_the_points_that_their_bend_needs() -> None:
    grid = Grid(UTM_32, Affine(10, 0, 500_000, 0, -10, 7_000_000), 10_980, 10_980)
    (whole,) = rings_of(grid.lonlat_polygon(grid.whole))
    (small,) = rings_of(grid.lonlat_polygon(Window((0, 0), (2, 2))))
    assert len(small) == 5
    # The middle of the northern edge lies off the straight line of its corners by kilometres / 8R.
    xs = 500_000 + np.linspace(0, 109_800, 21)
    lon, lat = rasterio.warp.transform(UTM_32, DEGREES, xs, np.full(21, 7_000_000.0))[:2]
    north = shape({"type": "Polygon", "coordinates": [whole.tolist()]}).boundary
    assert max(north.distance(Point(p)) for p in zip(lon, lat, strict=True)) < 1e-4 * 0.1


def test_a_window_across_180_degrees_is_cut_there() -> None:
    grid = Grid(DEGREES, Affine(1, 0, 170, 0, -1, 10), 20, 20)
    geometry = grid.lonlat_polygon(grid.whole)
    assert geometry is not None
    assert geometry["type"] == "MultiPolygon"
    bounds = sorted(part.bounds for part in shape(geometry).geoms)
    assert bounds == [(-180, -10, -170, 10), (170, -10, 180, 10)]


@pytest.mark.parametrize(("code", "pole"), [(3413, 90.0), (3031, -90.0)])
def test_a_window_with_a_pole_in_it_reaches_to_the_pole(code: int, pole: float) -> None:
    grid = Grid(CRS.from_epsg(code), Affine(1000, 0, -1e6, 0, -1000, 1e6), 2000, 2000)
    geometry = grid.lonlat_polygon(grid.whole)
    area = shape(geometry)
    assert area.is_valid
    assert all(area.intersects(Point(lon, pole * 0.999)) for lon in range(-180, 181, 30))
    assert geometry["type"] == "Polygon"
    assert not area.intersects(Point(0, -pole / 2))
    assert (area.bounds[0], area.bounds[2]) == (-180, 180)


def test_a_window_without_a_pole_in_it_does_not_reach_to_it() -> None:
    grid = Grid(CRS.from_epsg(3413), Affine(1000, 0, -1e6, 0, -1000, 1e6), 2000, 2000)
    area = shape(grid.lonlat_polygon(Window((0, 0), (500, 2000))))
    assert not area.intersects(Point(0, 89.9))
    assert area.is_valid


def test_the_whole_earth_in_degrees_is_one_rectangle() -> None:
    grid = Grid(DEGREES, Affine(1, 0, -180, 0, -1, 90), 180, 360)
    assert shape(grid.lonlat_polygon(grid.whole)).bounds == (-180, -90, 180, 90)


def test_a_window_beside_the_disk_of_a_geostationary_picture_has_no_place() -> None:
    crs = CRS.from_proj4("+proj=geos +h=35785831 +lon_0=-75 +sweep=x +a=6378137 +b=6356752.3")
    grid = Grid(crs, Affine(10_000, 0, -5_434_000, 0, -10_000, 5_434_000), 1086, 1086)
    assert grid.lonlat_polygon(Window((0, 0), (10, 10))) is None
    assert grid.lonlat_polygon(Window((500, 500), (10, 10))) is not None


def test_a_raster_without_a_crs_has_no_place_and_says_how_to_give_it_one() -> None:
    with pytest.raises(ContractError, match="gdal_translate -a_srs EPSG:CODE"):
        Grid(None, Affine.identity(), 5, 5).lonlat_polygon(Window((0, 0), (5, 5)))


def test_the_polygon_in_own_coordinates_has_the_four_corners() -> None:
    grid = Grid(UTM_32, Affine(10, 0, 100, 0, -10, 200), 20, 20)
    assert grid.native_polygon(Window((1, 2), (3, 4))) == {
        "type": "Polygon",
        "coordinates": [[(120, 190), (120, 160), (160, 160), (160, 190), (120, 190)]],
    }


def test_a_grid_is_taken_from_an_open_file(tmp_path: Path) -> None:
    affine = Affine(10, 0, 100, 0, -10, 200)
    profile = {"driver": "GTiff", "height": 4, "width": 5, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", crs=UTM_32, transform=affine, **profile):
        pass
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert Grid.of(dataset) == Grid(UTM_32, affine, 4, 5)
        assert Grid.of(dataset).whole == Window((0, 0), (4, 5))
