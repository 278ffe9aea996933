"""The grid of a raster: where its windows lie, in its own coordinates and in degrees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.transform import Affine

from fieldguide.errors import ContractError
from fieldguide.samples import Window
from fieldguide_remote_sensing.lonlat import lonlat_area

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

EDGE_STEPS = 20
"""Straight edges bend in another projection: points on each edge, as many as GDAL's own 21."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows and columns of a raster, and where they lie.

    A window is in pixels, ``start_px`` (row, column) and ``size_px`` (rows, columns).

    Attributes:
        crs: a ``rasterio.crs.CRS``, or None when the file names none.
        transform: x = a * column + b * row + c, y = d * column + e * row + f, of pixel corners.
        height_px: rows.
        width_px: columns.
    """

    crs: Any
    transform: Affine
    height_px: int
    width_px: int

    @classmethod
    def of(cls, dataset: Any) -> Grid:
        """Return the grid of an open rasterio dataset."""
        return cls(dataset.crs, dataset.transform, dataset.height, dataset.width)

    @property
    def whole(self) -> Window:
        """The window of all pixels."""
        return Window((0, 0), (self.height_px, self.width_px))

    def window_transform(self, window: Window) -> Affine:
        """Return the transform of a window read on its own."""
        grid, (row, column) = self.transform, window.start_px
        x = grid.a * column + grid.b * row + grid.c
        y = grid.d * column + grid.e * row + grid.f
        return Affine(grid.a, grid.b, x, grid.d, grid.e, y)

    def cut(self, window: Window) -> Grid:
        """Return the grid of a window read on its own."""
        height, width = window.size_px
        return Grid(self.crs, self.window_transform(window), height, width)

    def read_as(self, size_px: tuple[int, int]) -> Grid:
        """Return the grid of the same area when it is read in (rows, columns) of another size.

        The corners stay where they are, as in GDAL's decimated reads.
        """
        grid, (height, width) = self.transform, size_px
        across, down = self.width_px / width, self.height_px / height
        scaled = Affine(
            grid.a * across, grid.b * down, grid.c, grid.d * across, grid.e * down, grid.f
        )
        return Grid(self.crs, scaled, height, width)

    def window_of(self, bounds: tuple[float, float, float, float]) -> Window | None:
        """Return the smallest window of whole pixels that covers (left, bottom, right, top).

        Bounds are in the grid's own coordinates. An edge within a millionth of a pixel of a
        pixel's edge counts as on it. None when no pixel is covered.
        """
        left, bottom, right, top = bounds
        if not all(map(math.isfinite, bounds)):
            return None
        corners_x = np.array([left, left, right, right])
        corners_y = np.array([bottom, top, bottom, top])
        inverse = ~self.transform
        columns = inverse.a * corners_x + inverse.b * corners_y + inverse.c
        rows = inverse.d * corners_x + inverse.e * corners_y + inverse.f
        first_row, last_row = _whole_pixels(rows, self.height_px)
        first_column, last_column = _whole_pixels(columns, self.width_px)
        if last_row <= first_row or last_column <= first_column:
            return None
        size_px = (last_row - first_row, last_column - first_column)
        return Window((first_row, first_column), size_px)

    def bounds(self, window: Window) -> tuple[float, float, float, float]:
        """Return (left, bottom, right, top) of a window, in the grid's own coordinates."""
        xs, ys = self._outline(window, steps=1)
        return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())

    def native_polygon(self, window: Window) -> dict[str, Any]:
        """Return a window as a GeoJSON-like polygon in the grid's own coordinates."""
        xs, ys = self._outline(window, steps=1)
        ring = [*zip(xs.tolist(), ys.tolist(), strict=True)]
        return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}

    def lonlat_polygon(self, window: Window) -> Mapping[str, Any] | None:
        """Return a window as GeoJSON: EPSG:4326, longitude first, as RFC 7946 wants it.

        Edges have as many points as their bend needs (to a tenth of a pixel). Outer rings run
        against the clock. What crosses 180 degrees is cut there into a MultiPolygon, and what
        holds a pole reaches to it.

        Returns:
            A Polygon or MultiPolygon; None where a part of the window's edge is not on the Earth.

        Raises:
            ContractError: the file names no coordinate system.
        """
        if self.crs is None:
            raise ContractError(
                "it names no coordinate system (CRS), so its pixels have no place on the Earth. "
                "Say which it is: gdal_translate -a_srs EPSG:CODE"
            )
        tolerance = 0.1 / max(1, *window.size_px)
        return lonlat_area(self.crs, *self._outline(window, EDGE_STEPS), tolerance)

    def _outline(
        self, window: Window, steps: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y around a window, ``steps`` points an edge, from its first corner on."""
        row, column = window.start_px
        height, width = window.size_px
        part = np.arange(steps) / steps
        none, full = np.zeros(steps), np.ones(steps)
        columns = column + width * np.concatenate([none, part, full, 1 - part])
        rows = row + height * np.concatenate([part, full, 1 - part, none])
        grid = self.transform
        return (
            grid.a * columns + grid.b * rows + grid.c,
            grid.d * columns + grid.e * rows + grid.f,
        )


def _whole_pixels(places: NDArray[np.float64], length_px: int) -> tuple[int, int]:
    """Return the first pixel and the one behind the last, inside the raster."""
    first = math.floor(float(places.min()) + 1e-6)
    last = math.ceil(float(places.max()) - 1e-6)
    return max(0, first), min(length_px, last)
