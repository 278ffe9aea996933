"""An area of interest: polygons of a GeoJSON file, and which pixels of a raster lie inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely
from rasterio.features import geometry_mask
from shapely.affinity import translate
from shapely.geometry import shape as shape_of

from fieldguide.errors import ContractError, LoadError, UsageError
from fieldguide_remote_sensing.geojson_area import read_polygons
from fieldguide_remote_sensing.lonlat import FULL_TURN_DEG, from_lonlat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from fieldguide.samples import Window
    from fieldguide_remote_sensing.windows import Grid

STEP_DEG = 0.01
"""A straight edge in degrees bends in a raster's grid: by 3 cm over 1.1 km, in a UTM zone."""
MAX_STEPS = 20_000
MARGIN = 0.02
"""How far around a raster an area is looked at, as a part of the raster's extent."""


@dataclass(frozen=True)
class Area:
    """An area on the Earth.

    Attributes:
        name: of the file, for messages.
        shape: shapely, longitude and latitude in degrees (EPSG:4326), cut at 180 degrees.
    """

    name: str
    shape: BaseGeometry

    @classmethod
    def read(cls, path: str | Path) -> Area:
        """Read an area from a GeoJSON file (RFC 7946).

        Raises:
            UsageError: it cannot be read, holds no polygon, or its coordinates are no degrees of
                longitude and latitude in this order, cut at 180 degrees.
        """
        try:
            return cls(Path(path).name, read_polygons(Path(path)))
        except (LoadError, ValueError) as error:
            raise UsageError(f"--aoi {path}: {error}") from error

    def on(self, grid: Grid) -> GridArea:
        """Return the part of the area that lies on a raster.

        Raises:
            LoadError: the raster lies elsewhere.
            ContractError: the raster's place is not known, or it seems that longitude and latitude
                of the area are swapped.
        """
        footprint = _footprint(grid)
        near = _clipped(self.shape, footprint, grid)
        if near.is_empty:
            swapped = shapely.transform(self.shape, lambda points: points[:, ::-1])
            if not _clipped(swapped, footprint, grid).is_empty:
                raise ContractError(
                    f"it lies outside the area of {self.name}, and inside with longitude and "
                    "latitude swapped. GeoJSON wants longitude first: correct the file of --aoi."
                )
            raise self._elsewhere()
        projected = _projected(near, grid)
        window = None if projected is None else grid.window_of(projected.bounds)
        if projected is None or window is None:
            raise self._elsewhere()
        return GridArea(projected, window)

    def _elsewhere(self) -> LoadError:
        return LoadError(
            f"it lies outside the area of {self.name}. Leave it out, or name another --aoi."
        )


@dataclass(frozen=True)
class GridArea:
    """The part of an area that lies on one raster.

    Attributes:
        shape: shapely, in the raster's own coordinates.
        window: whole pixels of the raster that cover it.
    """

    shape: BaseGeometry
    window: Window

    def inside(self, grid: Grid) -> NDArray[np.bool_]:
        """Return (H, W), True for pixels of a grid whose centre lies inside the area.

        Args:
            grid: the raster's, or of a window of it, or of a smaller read of it.
        """
        size_px = (grid.height_px, grid.width_px)
        mask: NDArray[np.bool_] = geometry_mask(
            [self.shape], out_shape=size_px, transform=grid.transform, invert=True
        )
        return mask


def _footprint(grid: Grid) -> BaseGeometry:
    """Return the outline of a raster in degrees, a little larger."""
    outline = grid.lonlat_polygon(grid.whole)
    if outline is None:
        raise ContractError(
            "its edge does not lie on the Earth, so --aoi cannot cut it. Bring it to degrees "
            "first: gdalwarp -t_srs EPSG:4326"
        )
    footprint = shape_of(outline)
    west, south, east, north = footprint.bounds
    return footprint.buffer(MARGIN * max(min(east - west, north - south), 1e-5))


def _clipped(area: BaseGeometry, footprint: BaseGeometry, grid: Grid) -> BaseGeometry:
    """Return the area near a raster; a whole turn further where the raster counts so."""
    near = area.intersection(footprint)
    if near.is_empty or not grid.crs.is_geographic:
        return near
    turns = (-FULL_TURN_DEG, 0.0, FULL_TURN_DEG)  # a raster from 0 to 360 degrees
    return shapely.union_all([translate(near, turn) for turn in turns])


def _projected(near: BaseGeometry, grid: Grid) -> BaseGeometry | None:
    step = max(STEP_DEG, near.length / MAX_STEPS)
    failed = False

    def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
        nonlocal failed
        found = from_lonlat(grid.crs, points)
        failed |= found is None
        return points if found is None else found

    projected: Any = shapely.transform(near.segmentize(step), project)
    if failed:
        raise ContractError("its CRS cannot express the area of --aoi. Name a smaller area.")
    projected = projected if projected.is_valid else shapely.make_valid(projected)
    projected = projected.intersection(shape_of(grid.native_polygon(grid.whole)))
    return None if projected.area == 0 else projected
