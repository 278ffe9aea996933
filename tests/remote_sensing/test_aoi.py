"""Areas of interest: which pixels lie inside, by shapely's own point in polygon; mistakes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform
from shapely.geometry import Polygon, box, mapping

from fieldguide.errors import ContractError, InputError, LoadError, UsageError
from fieldguide.samples import Window
from fieldguide_remote_sensing.aoi import Area
from fieldguide_remote_sensing.geotiff import make_raster_loader
from fieldguide_remote_sensing.windows import Grid

if TYPE_CHECKING:
    from pathlib import Path

DEGREES = CRS.from_epsg(4326)
UTM = Grid(CRS.from_epsg(32632), Affine(10, 0, 600_000, 0, -10, 5_100_000), 120, 100)
GRIDS = [
    UTM,
    Grid(CRS.from_epsg(32632), Affine(9, 3, 600_000, 3, -9, 5_100_000), 120, 100),  # turned
    Grid(CRS.from_epsg(3857), Affine(200, 0, 1_000_000, 0, -200, 6_000_000), 90, 110),
    Grid(CRS.from_epsg(3035), Affine(500, 0, 4_000_000, 0, -500, 3_000_000), 100, 80),  # equal area
    Grid(DEGREES, Affine(0.01, 0, 10, 0, -0.01, 46), 80, 120),
    Grid(CRS.from_epsg(3413), Affine(1000, 0, -50_000, 0, -1000, 50_000), 100, 100),  # the pole
    Grid(CRS.from_epsg(32660), Affine(100, 0, 680_000, 0, -100, 7_500_000), 100, 100),  # 180 deg
]


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def centres(grid: Grid) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return longitude and latitude of the centre of every pixel, each (H, W)."""
    columns, rows = np.meshgrid(np.arange(grid.width_px) + 0.5, np.arange(grid.height_px) + 0.5)
    at = grid.transform
    xs, ys = at.a * columns + at.b * rows + at.c, at.d * columns + at.e * rows + at.f
    lon, lat = transform(grid.crs, DEGREES, xs.ravel(), ys.ravel())[:2]
    return np.reshape(lon, columns.shape), np.reshape(lat, columns.shape)


def raster(path: Path, grid: Grid = UTM, **options: Any) -> Path:
    """Write red, green and blue bytes, 1 to 200, on a grid."""
    shape = (3, grid.height_px, grid.width_px)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "photometric": "RGB",
               "height": shape[1], "width": shape[2], "crs": grid.crs,
               "transform": grid.transform}  # fmt: skip
    tags = options.pop("tags", {})
    with rasterio.open(path, "w", **{**profile, **options}) as target:
        target.write(np.random.default_rng(5).integers(1, 200, shape).astype("uint8"))
        target.update_tags(**tags)
    return path


corners = st.lists(st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2)), min_size=3, max_size=7)


def is_across_180(lon: np.ndarray[Any, Any]) -> bool:
    """Return whether a small raster lies on both sides of 180 degrees."""
    return bool(np.ptp(lon) > 180 and np.abs(lon).min() > 90)


def hull_of(parts: list[tuple[float, float]], lon: Any, lat: Any) -> Any:
    """Return the convex hull of points given as parts of the extent of a raster."""
    points = [(lon.min() + x * np.ptp(lon), lat.min() + y * np.ptp(lat)) for x, y in parts]
    return shapely.convex_hull(shapely.MultiPoint(points))


@settings(max_examples=60, deadline=None)
@given(grid=st.sampled_from(GRIDS), parts=corners)
def test_pixels_are_inside_where_shapely_says_their_centre_is(
    grid: Grid, parts: list[tuple[float, float]]
) -> None:
    lon, lat = centres(grid)
    hull = hull_of(parts, np.where(lon < 0, lon + 360, lon) if is_across_180(lon) else lon, lat)
    turned = [shapely.affinity.translate(hull, turn) for turn in (-360, 0, 360)]
    inside_180 = shapely.union_all(turned).intersection(box(-180, -90, 180, 90))
    area = Area("a", inside_180.buffer(0))  # without lines where two turns touch
    assume(area.shape.area > 1e-6)
    expected = shapely.contains_xy(area.shape, lon, lat)
    edge = area.shape.boundary  # 180 degrees west is 180 degrees east
    margin = np.min(
        [shapely.distance(edge, shapely.points(lon + turn, lat)) for turn in (-360, 0, 360)], axis=0
    )
    near_edge = margin < 0.05 * np.ptp(lat) / grid.height_px  # a twentieth of a pixel
    try:
        inside = area.on(grid).inside(grid)
    except LoadError:
        inside = np.zeros_like(expected)
    assert ((inside == expected) | near_edge).all()


@settings(max_examples=40, deadline=None)
@given(grid=st.sampled_from(GRIDS[:5]), parts=corners)
def test_the_window_covers_every_pixel_that_is_inside(
    grid: Grid, parts: list[tuple[float, float]]
) -> None:
    hull = hull_of(parts, *centres(grid))
    assume(isinstance(hull, Polygon))
    try:
        found = Area("a", hull).on(grid)
    except LoadError:
        return
    (row, column), (height, width) = found.window.start_px, found.window.size_px
    whole = found.inside(grid)
    part = found.inside(grid.cut(found.window))
    assert whole.sum() == part.sum()
    np.testing.assert_array_equal(whole[row : row + height, column : column + width], part)


def test_only_the_window_of_the_area_is_read_and_the_rest_of_it_is_not_valid(
    tmp_path: Path,
) -> None:
    path = raster(tmp_path / "a.tif")
    # Columns 20 to 59 and rows 30 to 69, as a triangle over the lower left half.
    x, y = [600_200, 600_200, 600_600], [5_099_700, 5_099_300, 5_099_300]
    lon, lat = transform(UTM.crs, DEGREES, x, y)[:2]
    aoi = write(tmp_path / "area.geojson", mapping(Polygon(zip(lon, lat, strict=True))))
    sample = make_raster_loader(aoi=str(aoi))(path)
    with rasterio.open(path) as dataset:
        stored = np.moveaxis(dataset.read(), 0, -1)
    assert sample.size_px == (40, 40)
    np.testing.assert_array_equal(sample.array, stored[30:70, 20:60])
    rows, columns = np.mgrid[:40, :40]
    # A pixel's centre lies under the diagonal where its column is at most its row; centres of
    # pixels on it lie on the edge itself.
    off = rows != columns
    assert sample.valid is not None
    np.testing.assert_array_equal(sample.valid[off], (columns < rows)[off])
    assert sample.metadata["transform"] == (10, 0, 600_200, 0, -10, 5_099_700)
    assert (sample.metadata["width_px"], sample.metadata["height_px"]) == (40, 40)
    assert sample.metadata["south_deg"] == pytest.approx(min(lat), abs=1e-3)


@pytest.mark.parametrize("kind", ["Polygon", "MultiPolygon", "Feature", "FeatureCollection",
                                  "GeometryCollection"])  # fmt: skip
def test_every_kind_of_geojson_with_polygons_is_read(tmp_path: Path, kind: str) -> None:
    square = mapping(box(10, 40, 11, 41))
    content = {
        "Polygon": square,
        "MultiPolygon": {"type": kind, "coordinates": [square["coordinates"]]},
        "Feature": {"type": kind, "properties": {}, "geometry": square},
        "FeatureCollection": {"type": kind, "features": [
            {"type": "Feature", "properties": {}, "geometry": square},
            {"type": "Feature", "properties": {}, "geometry": None},
        ]},
        "GeometryCollection": {"type": kind, "geometries": [square]},
    }[kind]  # fmt: skip
    assert Area.read(write(tmp_path / "a.geojson", content)).shape.equals(box(10, 40, 11, 41))


def ring(*points: tuple[float, ...]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[*points, points[0]]]}


SWAPPED = ring((48, 110), (48, 111), (49, 111))
METRES = ring((600_000, 5_000_000), (610_000, 5_000_000), (610_000, 5_010_000))
JUMP = ring((179, 10), (-179, 10), (-179, 11), (179, 11))
BEYOND = ring((179, 10), (181, 10), (181, 11))
BOW = ring((0, 0), (1, 1), (1, 0), (0, 1))
IN_UTM = {**ring((10, 40), (11, 40), (11, 41)), "crs": {
    "type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (SWAPPED, r"longitude and latitude seem to be swapped: a latitude is 111"),
        (METRES, r"such as 600000, 5000000, are no degrees.*ogr2ogr -t_srs EPSG:4326"),
        (JUMP, r"crosses 180 degrees.*ogr2ogr -wrapdateline"),
        (BEYOND, r"crosses 180 degrees"),
        (BOW, r"crosses itself"),
        (IN_UTM, r"are in urn:ogc:def:crs:EPSG::32632"),
        ({"type": "Point", "coordinates": [1, 2]}, r"holds no Polygon"),
        ({"type": "Polygon", "coordinates": []}, r"no outline"),
        ({"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}, r"4 points or more"),
        ({"type": "Polygon", "coordinates": [[["a", 2]]]}, r"not a list of \[longitude"),
        ({"type": "Polygon", "coordinates": [5]}, r"not a list of \[longitude"),
        ('{"type": "Polygon", "coordinates": [[[1, NaN], [2, 3], [3, 3], [1, 1]]]}', r"finite"),
        ([1, 2], r"holds no Polygon"),
        ("{", r"not JSON"),
        ("[" * 100_000, r"nested too deep|not JSON"),
        ('{"features":[' * 5000 + "]}" * 5000, r"nested too deep|not JSON|no Polygon"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_usage_that_says_what_to_do(
    tmp_path: Path, content: Any, reason: str
) -> None:
    path = write(tmp_path / "a.geojson", content)
    with pytest.raises(UsageError, match=f"(?s)--aoi .*a.geojson: .*{reason}"):
        make_raster_loader(aoi=str(path))


def test_a_missing_or_binary_file_is_an_error_of_usage(tmp_path: Path) -> None:
    (tmp_path / "b.geojson").write_bytes(b"\xff\xfe\x00")
    for name in ("a.geojson", "b.geojson", "."):
        with pytest.raises(UsageError, match="--aoi"):
            Area.read(tmp_path / name)


def test_a_crs_member_that_means_degrees_is_no_mistake(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    content = {**ring((10, 40), (11, 40), (11, 41)), "crs": crs}
    assert Area.read(write(tmp_path / "a.geojson", content)).shape.area == pytest.approx(0.5)


def problem(aoi: dict[str, Any], grid: Grid, tmp_path: Path, **options: Any) -> InputError:
    loader = make_raster_loader(aoi=str(write(tmp_path / "area.geojson", aoi)))
    with pytest.raises(InputError) as caught:
        loader(raster(tmp_path / "a.tif", grid, **options))
    return caught.value


def test_a_raster_elsewhere_is_skipped_with_the_reason(tmp_path: Path) -> None:
    error = problem(mapping(box(-60, -10, -59, -9)), UTM, tmp_path)
    assert isinstance(error, LoadError)
    assert "lies outside the area of area.geojson" in str(error)
    assert error.status == "skipped"


def test_an_area_with_latitude_first_is_noticed_where_it_would_fit_swapped(tmp_path: Path) -> None:
    error = problem(mapping(box(46.0, 10.2, 46.1, 10.4)), UTM, tmp_path)
    assert isinstance(error, ContractError)
    assert "inside with longitude and latitude swapped" in str(error)


def test_a_raster_without_a_crs_cannot_be_cut(tmp_path: Path) -> None:
    error = problem(mapping(box(10, 46, 11, 47)), UTM, tmp_path, crs=None)
    assert "names no coordinate system" in str(error)


def test_an_area_smaller_than_a_pixel_leaves_nothing_valid(tmp_path: Path) -> None:
    lon, lat = transform(UTM.crs, DEGREES, [600_501], [5_099_499])[:2]
    tiny = mapping(box(lon[0], lat[0], lon[0] + 1e-6, lat[0] + 1e-6))
    aoi = write(tmp_path / "area.geojson", tiny)
    sample = make_raster_loader(aoi=str(aoi))(raster(tmp_path / "a.tif"))
    assert sample.valid_fraction == 0


def test_a_raster_that_counts_from_0_to_360_degrees_is_cut_by_western_longitudes() -> None:
    grid = Grid(DEGREES, Affine(1, 0, 0, 0, -1, 90), 180, 360)
    found = Area("a", box(-20, 10, -10, 20)).on(grid)
    assert found.window == Window((70, 340), (10, 10))


def test_an_area_cut_at_180_degrees_is_one_on_a_raster_across_it() -> None:
    grid = Grid(CRS.from_epsg(3832), Affine(1000, 0, 3_200_000, 0, -1000, 1_200_000), 100, 300)
    both = shapely.union_all([box(179.5, 9.5, 180, 10.5), box(-180, 9.5, -179.5, 10.5)])
    inside = Area("a", both).on(grid).inside(grid)
    row = inside[inside.any(axis=1)][10]
    assert np.flatnonzero(np.diff(row.astype(int))).size == 2  # one run without a gap
    degree_m = 6_378_137 * math.pi / 180
    assert row.sum() == pytest.approx(degree_m / 1000, abs=1)


def test_a_part_of_a_giant_without_overviews_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.vrt"
    raster(tmp_path / "a.tif")
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{i}"><ColorInterp>{c}</ColorInterp><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">a.tif</SourceFilename><SourceBand>{i}</SourceBand>'
        '<SrcRect xOff="0" yOff="0" xSize="100" ySize="120"/>'
        '<DstRect xOff="0" yOff="0" xSize="100" ySize="120"/></SimpleSource></VRTRasterBand>'
        for i, c in enumerate(("Red", "Green", "Blue"), start=1)
    )
    path.write_text(
        '<VRTDataset rasterXSize="90000" rasterYSize="90000"><SRS>EPSG:32632</SRS><GeoTransform>'
        f"600000, 10, 0, 5100000, 0, -10</GeoTransform>{bands}</VRTDataset>"
    )
    with pytest.raises(LoadError, match="without overviews"):
        make_raster_loader()(path)
    lon, lat = transform(UTM.crs, DEGREES, [600_200, 600_600], [5_099_300, 5_099_700])[:2]
    aoi = write(tmp_path / "area.geojson", mapping(box(lon[0], lat[0], lon[1], lat[1])))
    assert max(make_raster_loader(aoi=str(aoi))(path).size_px) < 50
