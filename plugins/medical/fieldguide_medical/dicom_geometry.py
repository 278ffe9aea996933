"""From the positions of parallel slices to one affine, or the reason why they make no volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SPACING_TOLERANCE = 0.10
"""A gap may differ from the median gap by this share."""

MAX_TILT_DEG = 1.0
MAX_COSINE_DIFFERENCE = 1e-3

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class SlicePlace:
    """Where one slice lies, in DICOM's patient coordinates (x left, y posterior, z superior).

    Attributes:
        position_mm: (3,) centre of the first pixel.
        row_direction: (3,) unit vector along a row, towards higher column numbers.
        column_direction: (3,) unit vector along a column, towards higher row numbers.
        row_spacing_mm: between rows.
        column_spacing_mm: between columns.
        thickness_mm: used only when the slice is alone.
    """

    position_mm: NDArray[np.float64]
    row_direction: NDArray[np.float64]
    column_direction: NDArray[np.float64]
    row_spacing_mm: float
    column_spacing_mm: float
    thickness_mm: float

    @property
    def normal(self) -> NDArray[np.float64]:
        """(3,) unit vector across the slice."""
        return np.cross(self.row_direction, self.column_direction)


def stack(places: Sequence[SlicePlace]) -> tuple[list[int], NDArray[np.float64]]:
    """Sort slices and return their order and the affine.

    Returns:
        The indices of ``places`` along the slice normal, and the (4, 4) affine from (column, row,
        slice) to RAS millimetres.

    Raises:
        ContractError: mixed orientations, gantry tilt, missing or doubled slices.
    """
    first = places[0]
    _check_parallel(places)
    heights = np.array([place.position_mm @ first.normal for place in places])
    order = [int(index) for index in np.argsort(heights, kind="stable")]
    positions = np.array([places[index].position_mm for index in order])
    if len(places) == 1:
        step = first.normal * first.thickness_mm
    else:
        _check_tilt(positions, first)
        step = _even_step(np.sort(heights)) * first.normal
    affine = np.eye(4)
    affine[:3, 0] = first.row_direction * first.column_spacing_mm
    affine[:3, 1] = first.column_direction * first.row_spacing_mm
    affine[:3, 2] = step
    affine[:3, 3] = positions[0]
    return order, _LPS_TO_RAS @ affine


def _check_parallel(places: Sequence[SlicePlace]) -> None:
    first = places[0]
    axes = np.array([first.row_direction, first.column_direction])
    if not np.allclose(axes @ axes.T, np.eye(2), atol=MAX_COSINE_DIFFERENCE):
        raise ContractError(
            "the directions of its rows and columns are not at right angles. Export the series "
            "again."
        )
    for place in places:
        other = np.array([place.row_direction, place.column_direction])
        if not np.allclose(axes, other, atol=MAX_COSINE_DIFFERENCE):
            raise ContractError(
                "its slices have different orientations. Put the slices of one orientation in a "
                "folder of their own."
            )


def _check_tilt(positions: NDArray[np.float64], first: SlicePlace) -> None:
    """Compare the direction of stacking with the normal of the slices."""
    offsets = positions - positions[0]  # (N, 3)
    along = offsets @ first.normal
    sideways = np.linalg.norm(offsets - along[:, None] * first.normal, axis=1)
    tilt_deg = math.degrees(math.atan2(float(sideways[-1]), float(along[-1])))
    if along[-1] > 0 and tilt_deg > MAX_TILT_DEG:
        raise ContractError(
            f"gantry tilt: the slices are stacked {tilt_deg:.1f} degrees off their own normal. "
            "Resample the series to a rectangular grid first."
        )
    if sideways.max() > max(first.row_spacing_mm, first.column_spacing_mm):
        raise ContractError(
            "its slices are shifted sideways against each other. Resample the series to a "
            "rectangular grid first."
        )


def _even_step(heights: NDArray[np.float64]) -> float:
    """Return the mean gap of sorted heights in mm."""
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    doubled = int((gaps <= SPACING_TOLERANCE * usual).sum())
    if doubled:
        raise ContractError(
            f"{doubled} of its {len(heights)} slices lie where another one lies (doubled slices, "
            "or several phases). Put each phase in a folder of its own."
        )
    uneven = np.abs(gaps - usual) > SPACING_TOLERANCE * usual
    if uneven.any():
        raise ContractError(
            f"slices are missing, or not evenly spaced: {int(uneven.sum())} of {len(gaps)} gaps "
            f"differ from {usual:.2f} mm ({gaps.min():.2f} to {gaps.max():.2f} mm). Add the "
            "missing slices, or resample the series."
        )
    return float(gaps.mean())
