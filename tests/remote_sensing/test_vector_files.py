"""GeoJSON, GeoParquet and COG as independent readers see them: GDAL, GeoPandas, rio-cogeo."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
from rasterio.transform import Affine
from rio_cogeo.cogeo import cog_validate

from fieldguide.errors import UsageError
from fieldguide.localization.grid import make_grid
from fieldguide.localization.result import Region, Regions, Scored
from fieldguide.results import Guess, Match, Matches, Prediction, Predictions
from fieldguide.samples import Window
from fieldguide_remote_sensing.footprints import geometry_of

if TYPE_CHECKING:
    from pathlib import Path

PROVENANCE = {"domain": "remote_sensing"}
SQUARE = {
    "type": "Polygon",
    "coordinates": [[(9.0, 45.0), (9.1, 45.0), (9.1, 45.1), (9.0, 45.1), (9.0, 45.0)]],
}
TRANSFORM = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0)


def regions(shape: tuple[int, int] = (64, 48)) -> Regions:
    """Two regions, one with a place and one without, and a source to make a heat map of."""
    grid = make_grid(shape, 16, 0.5)
    scores = np.linspace(-1, 1, 2 * len(grid), dtype=np.float32).reshape(-1, 2)
    scores[0] = np.nan
    source = Scored(
        "scene.tif", {"crs": "EPSG:32632", "transform": TRANSFORM}, ("a", "b"), (grid,), (scores,)
    )
    rows = [
        Region("a", 1, 0.9, "scene.tif", Window((0, 8), (16, 16)),
               {"geometry": SQUARE, "captured_at": "2020-06-01T10:00:00", "odd": math.nan}),
        Region("b", 1, 0.8, "plain.png", Window((8, 8), (16, 16))),
    ]  # fmt: skip
    return Regions(rows, PROVENANCE, [source])


def test_gdal_reads_the_geojson_with_places_and_properties(tmp_path: Path) -> None:
    found = geopandas.read_file(regions().write(tmp_path / "r.geojson"))
    assert found.crs == "EPSG:4326"
    assert found.geometry[0].bounds == pytest.approx((9.0, 45.0, 9.1, 45.1))
    assert found.geometry[1] is None
    assert found["query"].tolist() == ["a", "b"]
    assert found["captured_at"].astype(str)[0].startswith("2020-06-01")


def test_the_geojson_is_of_rfc_7946(tmp_path: Path) -> None:
    content = json.loads(
        regions().write(tmp_path / "r.geojson").read_text("utf-8"),
        parse_constant=lambda name: pytest.fail(f"JSON has no {name}"),
    )
    assert "crs" not in content
    for feature in content["features"]:
        assert set(feature) == {"type", "geometry", "properties"}
    ring = content["features"][0]["geometry"]["coordinates"][0]
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in itertools.pairwise(ring))
    assert area > 0  # the outer ring runs against the clock
    assert ring[0] == ring[-1]


def test_geopandas_reads_the_geoparquet(tmp_path: Path) -> None:
    path = regions().write(tmp_path / "r.parquet")
    found = geopandas.read_parquet(path)
    assert found.crs == "OGC:CRS84"
    assert found.geometry[0].equals(geopandas.GeoSeries.from_wkb([found.geometry[0].wkb])[0])
    assert found.geometry[0].bounds == pytest.approx((9.0, 45.0, 9.1, 45.1))
    about = json.loads(pq.read_schema(path).metadata[b"geo"])
    assert about["version"] == "1.1.0"
    assert about["columns"]["geometry"]["geometry_types"] == ["Polygon"]
    assert about["columns"]["geometry"]["bbox"] == pytest.approx([9.0, 45.0, 9.1, 45.1])


@pytest.mark.parametrize("shape", [(64, 48), (900, 7000)])
def test_the_heat_map_is_a_cloud_optimised_geotiff(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = regions(shape).write(tmp_path / "heat.tif")
    valid, errors, _ = cog_validate(path)
    assert valid, errors
    with rasterio.open(path) as heat:
        right, bottom = Affine(*TRANSFORM) * (shape[1], shape[0])
        assert heat.bounds == pytest.approx((500_000, bottom, right, 5_000_000))
        assert heat.nodata is not None
        assert math.isnan(heat.nodata)
        assert heat.descriptions == ("a", "b")
        assert np.allclose(heat.read(2), regions(shape).sources[0].heat("b"), equal_nan=True)


def test_two_rasters_do_not_fit_into_one_heat_map(tmp_path: Path) -> None:
    found = regions()
    found.sources *= 2
    with pytest.raises(UsageError, match="one by one"):
        found.write(tmp_path / "heat.tif")


def test_a_heat_map_of_a_text_that_was_not_looked_for_is_an_error() -> None:
    with pytest.raises(UsageError, match="was not looked for"):
        regions().sources[0].heat("c")


def test_a_scene_lies_where_its_file_says() -> None:
    metadata = {"crs": "EPSG:32632", "transform": TRANSFORM, "height_px": 100, "width_px": 200}
    found = geometry_of(metadata)
    assert found is not None
    shape = geopandas.GeoSeries.from_wkt([_wkt(found)], crs="EPSG:4326").to_crs("EPSG:32632")[0]
    assert shape.bounds == pytest.approx((500_000, 4_999_000, 502_000, 5_000_000), abs=0.5)


@pytest.mark.parametrize(
    "metadata", [{}, {"crs": "EPSG:32632"}, {"crs": "no such", "transform": TRANSFORM,
                                            "height_px": 1, "width_px": 1}]
)  # fmt: skip
def test_a_place_that_is_not_known_is_no_place(metadata: dict[str, Any]) -> None:
    assert geometry_of(metadata) is None


def test_predictions_and_matches_keep_their_places(tmp_path: Path) -> None:
    about = {"crs": "EPSG:32632", "transform": TRANSFORM, "height_px": 100, "width_px": 200}
    guesses = (Guess("river", 0.7), Guess("town", 0.3))
    predicted = Predictions(
        [Prediction("a.tif", guesses, "ok", metadata=about), Prediction("b.tif", (), "skipped")],
        PROVENANCE,
    )
    found = pyogrio.read_dataframe(predicted.write(tmp_path / "p.geojson"))
    assert found["label"].fillna("none").tolist() == ["river", "none"]
    assert found.geometry[1] is None
    assert found.geometry[0].area > 0
    matched = Matches("x", [Match(1, "a.tif", "a", 0.5, about)], PROVENANCE)
    table = geopandas.read_parquet(matched.write(tmp_path / "m.parquet"))
    assert table.geometry[0].equals_exact(found.geometry[0], 1e-9)


def test_other_domains_write_plain_parquet(tmp_path: Path) -> None:
    path = Matches("x", [Match(1, "a.png", "a", 0.5)], {"domain": "general"}).write(
        tmp_path / "m.parquet"
    )
    assert b"geo" not in (pq.read_schema(path).metadata or {})


def _wkt(geometry: Any) -> str:
    points = ", ".join(f"{x} {y}" for x, y in geometry["coordinates"][0])
    return f"POLYGON (({points}))"
