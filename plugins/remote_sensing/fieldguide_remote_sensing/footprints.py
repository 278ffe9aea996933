"""Results as features: each row with the place on the Earth that it is about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import rasterio.crs
from rasterio.errors import CRSError
from rasterio.transform import Affine

from fieldguide_remote_sensing.windows import Grid

if TYPE_CHECKING:
    from fieldguide.results import Result

OWN_COLUMNS = frozenset({"geometry", "transform"})
Feature = tuple[Mapping[str, Any] | None, dict[str, Any]]


def features(result: Result) -> list[Feature]:
    """Return the geometry (EPSG:4326, RFC 7946, or None) and the properties of every row.

    A prediction stands once, with its best label; other labels are in tables.
    """
    rows: Iterable[Any] = result  # type: ignore[assignment]  # those that are written have rows
    if result.kind == "predictions":
        best = [record for record in result.records() if record["rank"] in (1, None)]
    else:
        best = result.records()
    return [
        (geometry_of(row.metadata), _properties(record | _about(row.metadata, record)))
        for row, record in zip(rows, best, strict=True)
    ]


def geometry_of(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the place of a window or of a whole raster; None where it is not known."""
    if "geometry" in metadata:
        found: Mapping[str, Any] | None = metadata["geometry"]
        return found
    names = ("crs", "transform", "height_px", "width_px")
    if any(name not in metadata for name in names):
        return None
    crs, transform, height, width = (metadata[name] for name in names)
    try:
        grid = Grid(rasterio.crs.CRS.from_user_input(crs), Affine(*transform), height, width)
    except (CRSError, TypeError, ValueError):  # of an index that another program wrote
        return None
    return grid.lonlat_polygon(grid.whole)


def _about(metadata: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name not in record}


def _properties(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values: what JSON and a table have words for."""
    return {name: _plain(value) for name, value in record.items() if name not in OWN_COLUMNS}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
