"""Where a raster lies: checks of its grid, and its place, scale and date as metadata."""

from __future__ import annotations

import datetime
import math
import re
import shlex
from typing import TYPE_CHECKING, Any

from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds

from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from fieldguide_remote_sensing.windows import Grid

WEB_MERCATOR = 3857
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME_FORMATS = ("%Y:%m:%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")


def check_grid(dataset: Any, name: str) -> None:
    """Refuse a raster whose rows and columns do not lie on a known grid.

    Args:
        dataset: an open rasterio dataset.
        name: of the file, for the command to type.

    Raises:
        ContractError: only ground control points, or a rotated grid without a CRS.
    """
    name = shlex.quote(name)
    grid = dataset.transform
    if dataset.gcps[0] and grid.is_identity:
        raise ContractError(
            "it has ground control points instead of a grid. Put it on one: "
            f"gdalwarp {name} north_up.tif"
        )
    if (grid.b != 0 or grid.d != 0) and dataset.crs is None:
        raise ContractError(
            "its grid is rotated and it names no coordinate system (CRS). Say which it is and "
            f"turn it north up: gdalwarp -s_srs EPSG:CODE {name} north_up.tif"
        )


def place_metadata(place: Grid) -> dict[str, Any]:
    """Return what is known of: crs, transform, west_deg ..., ground_sample_distance_m.

    The transform is the affine (a, b, c, d, e, f): x = a * column + b * row + c.
    """
    crs, grid = place.crs, place.transform
    if crs is None and grid.is_identity:
        return {}
    found: dict[str, Any] = {"transform": tuple(float(value) for value in grid[:6])}
    if crs is None:
        return found
    code = crs.to_epsg()
    found["crs"] = crs.to_wkt() if code is None else f"EPSG:{code}"
    try:
        bounds = transform_bounds(crs, "EPSG:4326", *place.bounds(place.whole))
    except (RasterioError, ValueError):  # the file lies outside what its CRS can express
        bounds = (math.nan,) * 4
    if all(map(math.isfinite, bounds)):
        names = ("west_deg", "south_deg", "east_deg", "north_deg")
        found |= {name: round(value, 7) for name, value in zip(names, bounds, strict=True)}
    if crs.is_projected:
        distance_m = math.sqrt(abs(grid.determinant)) * crs.linear_units_factor[1]
        if code == WEB_MERCATOR and "north_deg" in found:  # its metres grow towards the poles
            distance_m *= math.cos(math.radians((found["south_deg"] + found["north_deg"]) / 2))
        if math.isfinite(distance_m) and distance_m > 0:
            found["ground_sample_distance_m"] = distance_m
    return found


def captured_at(dataset: Any) -> str | None:
    """Return when the picture was taken as ISO 8601, or None when the file does not say.

    The IMAGERY domain is in UTC (GDAL RFC 43). TIFFTAG_DATETIME may be when the file was made.
    """
    imagery, own = dataset.tags(ns="IMAGERY"), dataset.tags()
    if _DAY.fullmatch(imagery.get("ACQUISITIONDATETIME", "")):
        return str(imagery["ACQUISITIONDATETIME"])  # only the day is known
    if moment := _moment(imagery.get("ACQUISITIONDATETIME")):
        return moment + "+00:00"
    return _moment(own.get("ACQUISITIONDATETIME")) or _moment(own.get("TIFFTAG_DATETIME"))


def cloud_percent(dataset: Any) -> float | None:
    """Return how much of the picture is cloud, 0 to 100, or None when it is not said."""
    try:
        percent = float(dataset.tags(ns="IMAGERY").get("CLOUDCOVER", ""))
    except ValueError:
        return None
    return percent if 0 <= percent <= 100 else None


def _moment(text: str | None) -> str | None:
    for form in _TIME_FORMATS:
        try:
            return datetime.datetime.strptime((text or "").strip(), form).isoformat()
        except ValueError:
            continue
    return None
