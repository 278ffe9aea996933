"""Reads the polygons of a GeoJSON file, and finds the usual mistakes in their coordinates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.errors import GEOSException
from shapely.geometry import Polygon
from shapely.validation import explain_validity

from fieldguide_remote_sensing.scene_paths import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

MAX_DEPTH = 16
MAX_POINTS = 1_000_000
DEGREES = ("CRS84", "EPSG::4326", "EPSG:4326")
"""Endings of names of the ``crs`` member, of GeoJSON before 2016, that mean longitude, latitude."""
_WARP = "Write it in degrees: ogr2ogr -t_srs EPSG:4326 area.geojson"


def read_polygons(path: Path) -> BaseGeometry:
    """Return the union of all polygons of a file, in degrees, longitude first.

    Raises:
        LoadError: it cannot be read.
        ValueError: it is no GeoJSON with polygons, or their coordinates cannot be meant.
    """
    try:
        content = json.loads(read_text(path))
    except RecursionError as error:
        raise ValueError("it is nested too deep. Export it again as GeoJSON.") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}. Export it as GeoJSON.") from error
    _check_crs(content)
    polygons = [polygon for rings in _rings(content, 0) for polygon in [_polygon(rings)]]
    if not polygons:
        raise ValueError("it holds no Polygon or MultiPolygon. Draw one and export it as GeoJSON.")
    return shapely.union_all(polygons)


def _check_crs(content: Any) -> None:
    crs = content.get("crs") if isinstance(content, dict) else None
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = str(properties.get("name") if isinstance(properties, dict) else crs)[:80]
    if not name.upper().endswith(DEGREES):
        raise ValueError(f"its coordinates are in {name}. {_WARP} {'IN.geojson'}")


def _rings(content: Any, depth: int) -> Iterator[list[Any]]:
    """Yield the rings of every polygon in a GeoJSON object."""
    if not isinstance(content, dict) or depth > MAX_DEPTH:
        return
    kind, coordinates = content.get("type"), content.get("coordinates")
    if kind == "Polygon" and isinstance(coordinates, list):
        yield coordinates
    elif kind == "MultiPolygon" and isinstance(coordinates, list):
        yield from (rings for rings in coordinates if isinstance(rings, list))
    elif kind == "Feature":
        yield from _rings(content.get("geometry"), depth + 1)
    for key in ("features", "geometries"):
        members = content.get(key)
        for member in members if isinstance(members, list) else ():
            yield from _rings(member, depth + 1)


def _polygon(rings: list[Any]) -> Polygon:
    points = [_points(ring) for ring in rings]
    if not points:
        raise ValueError("one of its polygons has no outline. Correct it.")
    for ring in points:
        _check_degrees(ring)
    try:
        polygon = Polygon(points[0], points[1:])
    except (GEOSException, ValueError) as error:
        raise ValueError(f"one of its polygons is none: {error}. Correct it.") from error
    if not polygon.is_valid:
        raise ValueError(
            f"one of its polygons crosses itself ({explain_validity(polygon)}). Correct it."
        )
    return polygon


def _points(ring: Any) -> NDArray[np.float64]:
    """Return (N, 2); a height is left out."""
    try:
        points = np.array([[point[0], point[1]] for point in ring], dtype=np.float64)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise ValueError(
            "an outline is not a list of [longitude, latitude]. Correct it."
        ) from error
    if not 4 <= len(points) <= MAX_POINTS or not np.isfinite(points).all():
        raise ValueError("an outline needs 4 points or more, of finite numbers. Correct it.")
    return points


def _check_degrees(points: NDArray[np.float64]) -> None:
    """Find coordinates that cannot be degrees of longitude and latitude in this order."""
    x, y = points.T
    if np.abs(y).max() > 90:
        if np.abs(x).max() <= 90 and np.abs(y).max() <= 180:
            raise ValueError(
                "longitude and latitude seem to be swapped: a latitude is "
                f"{y[np.abs(y).argmax()]:g}. GeoJSON wants [longitude, latitude]."
            )
        raise ValueError(
            f"its coordinates, such as {x[0]:.10g}, {y[0]:.10g}, are no degrees. {_WARP} IN.geojson"
        )
    if np.abs(x).max() > 180 or np.abs(np.diff(x)).max() > 180:
        raise ValueError(
            "an outline crosses 180 degrees of longitude. Cut it there into two polygons, as "
            "RFC 7946 (3.1.9) wants it: ogr2ogr -wrapdateline -t_srs EPSG:4326 area.geojson "
            "IN.geojson"
        )
