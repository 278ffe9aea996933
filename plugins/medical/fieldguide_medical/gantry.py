"""Gantry tilt made good: slices that are stacked askew are moved onto a rectangular grid.

A CT whose gantry leans stores slices that are parallel, but each shifted against the one before.
Moved back within its own plane by linear interpolation, each lies where it was in the patient,
and the grid's axes are at right angles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from fieldguide_medical.hounsfield import AIR_HU
from fieldguide_medical.volumes import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide_medical.volumes import Affine

GANTRY_TILT_RESAMPLED = "gantry_tilt_resampled"


def upright_grid(
    shape: tuple[int, int, int], shifts_px: NDArray[np.float64], affine: Affine
) -> tuple[tuple[int, int, int], NDArray[np.float64], Affine]:
    """Return the grid that holds all slices.

    Args:
        shape: columns, rows and slices.
        shifts_px: (N, 2) columns and rows by which each slice is shifted against the first.
        affine: for the pixels of the first slice.

    Returns:
        Its shape, the (N, 2) place of each slice's first pixel in it, and its affine.

    Raises:
        ContractError: it is too large.
    """
    start = shifts_px.min(axis=0)
    places = shifts_px - start
    extra = np.ceil(places.max(axis=0) - 1e-6).astype(int)
    larger = (shape[0] + int(extra[0]), shape[1] + int(extra[1]), shape[2])
    check_size(larger)
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :2] @ start
    return larger, places, moved


def resample(
    values: NDArray[Any], places: NDArray[np.float64], shape: tuple[int, int, int]
) -> NDArray[Any]:
    """Put each slice at its place; around it is air.

    Args:
        values: (column, row, slice).
        places: (N, 2) columns and rows.
        shape: of the grid.

    Returns:
        ``shape``, of the type of ``values``; whole numbers are rounded.
    """
    grid = np.empty(shape, dtype=values.dtype)
    for index, place in enumerate(places):
        moved = ndimage.affine_transform(
            values[:, :, index].astype(np.float32),
            np.ones(2),
            offset=-place,
            output_shape=shape[:2],
            order=1,
            cval=AIR_HU,
        )
        grid[:, :, index] = np.rint(moved) if values.dtype.kind == "i" else moved
    return grid
