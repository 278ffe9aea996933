"""A grid of cells of nearly equal area over the earth.

It is that of NASA's level-3 products (Campbell, Blaisdell and Darzi 1995, "Level-3 SeaWiFS Data
Products: Spatial and Temporal Binning Algorithms", NASA TM 104566 volume 32): rows of equal height,
each cut into as many equal parts as make them about square. Plain cells of one degree would be
ten times smaller in Svalbard than on the equator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 720
"""Of 0.25 degrees, 27.8 km."""
EARTH_RADIUS_KM = 6371.0088
"""The mean radius of WGS 84 (Moritz 2000, doi:10.1007/s001900050278)."""

_middle_deg = (np.arange(ROWS) + 0.5) * 180 / ROWS - 90
_IN_ROW = np.maximum(3, np.rint(2 * ROWS * np.cos(np.deg2rad(_middle_deg)))).astype(np.int64)
_FIRST = np.concatenate([[0], np.cumsum(_IN_ROW)])
COUNT = int(_FIRST[-1])
"""How many cells there are."""


def cell_of(
    latitude_deg: NDArray[np.float64], longitude_deg: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Return the (N,) cells of (N,) places on the earth."""
    row = np.clip(((latitude_deg + 90) * ROWS / 180).astype(np.int64), 0, ROWS - 1)
    in_row = _IN_ROW[row]
    column = np.clip(((longitude_deg + 180) * in_row / 360).astype(np.int64), 0, in_row - 1)
    return np.asarray(_FIRST[row] + column, np.int32)


def middle_of(
    cells: NDArray[np.integer],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (N,) latitudes and longitudes, in degrees, of the middles of (N,) cells."""
    row = np.searchsorted(_FIRST, cells, side="right") - 1
    column = cells - _FIRST[row]
    return _middle_deg[row], (column + 0.5) * 360 / _IN_ROW[row] - 180


def unit_vectors(
    latitude_deg: NDArray[np.float64], longitude_deg: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (N, 3) directions from the middle of the earth to (N,) places."""
    lat, lon = np.deg2rad(latitude_deg), np.deg2rad(longitude_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def distances_km(places: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (N,) lengths of the great circles from (N, 3) places to a (3,) place.

    By the chord, which is exact for near places too.
    """
    squared = np.clip(2 - 2 * (places @ place), 0, 4)
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(squared) / 2))
