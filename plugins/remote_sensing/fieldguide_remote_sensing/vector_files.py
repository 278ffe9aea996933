"""GeoJSON and GeoParquet of results that lie somewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from fieldguide.data.files import atomic_path, utf8_text
from fieldguide_remote_sensing.footprints import features

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.results import Result

GEOPARQUET_VERSION = "1.1.0"


def write_geojson(result: Result, path: Path) -> None:
    """Write a FeatureCollection in EPSG:4326, longitude first (RFC 7946).

    A row whose place is not known has a null geometry.
    """
    collection = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": geometry, "properties": properties}
            for geometry, properties in features(result)
        ],
    }
    text = json.dumps(collection, indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace")


def write_geoparquet(result: Result, path: Path) -> None:
    """Write GeoParquet 1.1: WKB in OGC:CRS84, which is EPSG:4326 with longitude first."""
    rows = features(result)
    shapes = [None if g is None else shapely.geometry.shape(g) for g, _ in rows]
    names = list(dict.fromkeys(utf8_text(name) for _, row in rows for name in row))
    columns: dict[str, Any] = {
        name: _column([row.get(name) for _, row in rows]) for name in names if name != "geometry"
    }
    columns["geometry"] = pa.array(
        [None if shape is None else shapely.to_wkb(shape) for shape in shapes], pa.binary()
    )
    table = pa.table(columns)
    about = {b"geo": json.dumps(_geo_metadata(shapes)).encode()}
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(about), temporary)


def _geo_metadata(shapes: list[Any]) -> dict[str, Any]:
    """Return the metadata of GeoParquet; the CRS that is not named is OGC:CRS84."""
    known = [shape for shape in shapes if shape is not None]
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted({shape.geom_type for shape in known}),
        "orientation": "counterclockwise",
        "edges": "planar",
    }
    if known:
        column["bbox"] = list(map(float, shapely.total_bounds(known)))
    return {
        "version": GEOPARQUET_VERSION,
        "primary_column": "geometry",
        "columns": {"geometry": column},
    }


def _column(values: list[Any]) -> pa.Array:
    """Return one typed column; values of mixed types become text."""
    safe = [utf8_text(value) if isinstance(value, str) else value for value in values]
    try:
        return pa.array(safe)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in safe])
