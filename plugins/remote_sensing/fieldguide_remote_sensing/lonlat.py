"""Outlines in degrees: unwrapped over 180 degrees, closed over a pole, cut, and simplified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.warp import transform
from shapely.geometry import MultiPolygon, Polygon, box, mapping
from shapely.geometry.polygon import orient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

FULL_TURN_DEG = 360.0
POLE_DEG = 90.0


def lonlat_area(
    crs: Any, xs: NDArray[np.float64], ys: NDArray[np.float64], tolerance: float
) -> Mapping[str, Any] | None:
    """Return the area inside an outline as an RFC 7946 geometry.

    Args:
        crs: of the outline, a ``rasterio.crs.CRS``.
        xs: (N,), along the outline, which is not closed.
        ys: (N,).
        tolerance: how far the outline may move, as a part of its extent.

    Returns:
        A Polygon or MultiPolygon in EPSG:4326, outer rings against the clock; None where a part
        of the outline cannot be expressed in degrees.
    """
    points = to_lonlat(crs, xs, ys)
    if points is None:
        return None
    area = cut_at_antimeridian(_closed(points))
    extent = _extent_deg(area)
    area = area.simplify(extent * tolerance)
    return mapping(_oriented(area)) if not area.is_empty else None


def to_lonlat(
    crs: Any, xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return (N, 2) longitude and latitude in degrees, or None where some cannot be expressed."""
    try:
        lon, lat = transform(crs, "EPSG:4326", xs.tolist(), ys.tolist())[:2]
    except (RasterioError, CPLE_BaseError, ValueError):
        return None
    points = np.column_stack([lon, lat])
    return points if np.isfinite(points).all() else None


def from_lonlat(crs: Any, points: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return (N, 2) coordinates of a CRS, of (N, 2) longitude and latitude, or None as above."""
    try:
        x, y = transform("EPSG:4326", crs, points[:, 0].tolist(), points[:, 1].tolist())[:2]
    except (RasterioError, CPLE_BaseError, ValueError):
        return None
    found = np.column_stack([x, y])
    return found if np.isfinite(found).all() else None


def cut_at_antimeridian(area: BaseGeometry) -> BaseGeometry:
    """Return an area whose longitudes may pass 180 degrees, cut there and moved inside."""
    west, _, east, _ = area.bounds
    first = int(np.floor((west + 180) / FULL_TURN_DEG))
    last = int(np.ceil((east - 180) / FULL_TURN_DEG))
    parts: list[Polygon] = []
    for turn in range(first, max(first, last) + 1):
        middle = turn * FULL_TURN_DEG
        inside = area.intersection(box(middle - 180, -POLE_DEG, middle + 180, POLE_DEG))
        moved = shapely.transform(inside, lambda points, by=middle: points - (by, 0.0))
        parts += [part for part in _polygons(moved) if part.area > 0]
    return shapely.union_all(parts)


def _closed(points: NDArray[np.float64]) -> Polygon:
    """Return the polygon of an outline; one that goes around a pole holds it."""
    lon = np.unwrap(np.append(points[:, 0], points[0, 0]), period=FULL_TURN_DEG)
    lat = np.append(points[:, 1], points[0, 1])
    if abs(lon[-1] - lon[0]) > FULL_TURN_DEG / 2:
        pole = np.copysign(POLE_DEG, lat.mean())
        lon[-1] = lon[0] + np.copysign(FULL_TURN_DEG, lon[-1] - lon[0])  # without rounding
        lon, lat = np.append(lon, [lon[-1], lon[0]]), np.append(lat, [pole, pole])
    area = Polygon(np.column_stack([lon, lat]))
    return area if area.is_valid else shapely.make_valid(area)


def _extent_deg(area: BaseGeometry) -> float:
    """Return the shorter side of an area, in degrees of a great circle."""
    if area.is_empty:
        return 0.0
    west, south, east, north = area.bounds
    return float(min((east - west) * np.cos(np.deg2rad((south + north) / 2)), north - south))


def _polygons(area: BaseGeometry) -> list[Polygon]:
    if isinstance(area, Polygon):
        return [area]
    return [part for part in getattr(area, "geoms", ()) if isinstance(part, Polygon)]


def _oriented(area: BaseGeometry) -> BaseGeometry:
    rings = [orient(part) for part in _polygons(area)]
    return rings[0] if len(rings) == 1 else MultiPolygon(rings)
