"""From the positions of parallel slices to one grid, or the reason why they make no volume."""

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

SAME_PLACE_MM = 0.01
"""Two slices that are no further apart lie in one place."""

MAX_TILT_DEG = 1.0
MAX_COSINE_DIFFERENCE = 1e-3
MAX_SPACING_DIFFERENCE = 1e-3

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class SlicePlace:
    """Where one slice lies, in DICOM's patient coordinates (x left, y posterior, z superior).

    Attributes:
        position_mm: (3,) centre of the first pixel.
        row_direction: (3,) unit vector along a row, towards higher column numbers.
        column_direction: (3,) unit vector along a column, towards higher row numbers.
        row_spacing_mm: between rows.
        column_spacing_mm: between columns.
        thickness_mm: used only when the slice is alone; NaN where it is not stated.
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


@dataclass(frozen=True, slots=True)
class Stack:
    """How slices make a volume.

    Attributes:
        order: indices of the slices along their normal, one for each place.
        affine: (4, 4) from (column, row, slice) to RAS millimetres, for slices stacked along
            their normal.
        doubled: pairs of indices, the one in ``order`` and another at the same place.
        shifts_px: (N, 2) columns and rows by which each slice of ``order`` is shifted against the
            first, whose pixels the affine is for.
        tilt_deg: between the direction of stacking and the normal; 0 within the tolerance.
        heights_mm: (N,) of each slice of ``order`` along the normal, from the first.
        uneven: why the gaps between them are not equal, and so not those of the affine; or None.
    """

    order: tuple[int, ...]
    affine: NDArray[np.float64]
    doubled: tuple[tuple[int, int], ...]
    shifts_px: NDArray[np.float64]
    tilt_deg: float
    heights_mm: NDArray[np.float64]
    uneven: str | None


def stack(places: Sequence[SlicePlace]) -> Stack:
    """Sort slices by where they lie along their normal.

    Raises:
        ContractError: mixed orientations or pixel spacings, missing slices, slices that lie
            nearly in one place, or slices shifted sideways without order.
    """
    first = places[0]
    _check_parallel(places)
    _check_equal_spacing(places)
    order, doubled = _sorted_places(places, first.normal)
    positions = np.array([places[index].position_mm for index in order])  # (N, 3)
    heights_mm = positions @ first.normal
    sideways_mm = _sideways(positions, first)
    step_mm, uneven = _lone(first) if len(order) == 1 else _step(heights_mm)
    affine = np.eye(4)
    affine[:3, 0] = first.row_direction * first.column_spacing_mm
    affine[:3, 1] = first.column_direction * first.row_spacing_mm
    affine[:3, 2] = step_mm * first.normal
    affine[:3, 3] = positions[0]
    return Stack(
        order=tuple(order),
        affine=LPS_TO_RAS @ affine,
        doubled=tuple(doubled),
        shifts_px=sideways_mm / [first.column_spacing_mm, first.row_spacing_mm],
        tilt_deg=_tilt_deg(heights_mm, sideways_mm, first),
        heights_mm=heights_mm - heights_mm[0],
        uneven=uneven,
    )


def _check_parallel(places: Sequence[SlicePlace]) -> None:
    axes = np.array([[place.row_direction, place.column_direction] for place in places])
    products = axes @ axes.transpose(0, 2, 1)  # (N, 2, 2)
    if not np.allclose(products, np.eye(2), atol=MAX_COSINE_DIFFERENCE):
        raise ContractError(
            "the directions of its rows and columns are not at right angles. Export the series "
            "again."
        )
    usual = np.median(axes, axis=0)
    strays = int((np.abs(axes - usual).max(axis=(1, 2)) > MAX_COSINE_DIFFERENCE).sum())
    if strays:
        raise ContractError(
            f"its slices have different orientations: {strays} of {len(places)} are not parallel "
            "to the others. Put the slices of one orientation in a folder of their own."
        )


def _check_equal_spacing(places: Sequence[SlicePlace]) -> None:
    spacing = np.array([[place.row_spacing_mm, place.column_spacing_mm] for place in places])
    if (np.abs(spacing - spacing[0]) > MAX_SPACING_DIFFERENCE * spacing[0]).any():
        raise ContractError(
            "its slices have different pixel spacings. Put the slices of one spacing in a folder "
            "of their own."
        )


def _sorted_places(
    places: Sequence[SlicePlace], normal: NDArray[np.float64]
) -> tuple[list[int], list[tuple[int, int]]]:
    heights = [float(place.position_mm @ normal) for place in places]
    order: list[int] = []
    doubled: list[tuple[int, int]] = []
    for index in sorted(range(len(places)), key=heights.__getitem__):
        kept = order[-1] if order else index
        apart_mm = np.linalg.norm(places[index].position_mm - places[kept].position_mm)
        if kept != index and apart_mm <= SAME_PLACE_MM:
            doubled.append((kept, index))
        else:
            order.append(index)
    return order, doubled


def _lone(place: SlicePlace) -> tuple[float, None]:
    if not 0 < place.thickness_mm < math.inf:
        raise ContractError(
            "it is a single slice that does not state its thickness. Name the folder of its series."
        )
    return place.thickness_mm, None


def _step(heights_mm: NDArray[np.float64]) -> tuple[float, str | None]:
    """Return the gap of sorted heights in mm, and what to say where gaps are not equal."""
    gaps = np.diff(heights_mm)
    usual = float(np.median(gaps))
    near = int((gaps <= SPACING_TOLERANCE * usual).sum())
    if near:
        raise ContractError(
            f"{near} of its {len(heights_mm)} slices lie nearly where another one lies (several "
            "phases or overlapping scans). Put each in a folder of its own."
        )
    uneven = np.abs(gaps - usual) > SPACING_TOLERANCE * usual
    if not uneven.any():
        return float(gaps.mean()), _drift(heights_mm)
    steps = gaps / usual
    if (np.abs(steps - np.round(steps)) <= SPACING_TOLERANCE).all():
        missing = int((np.round(steps) - 1).sum())
        raise ContractError(
            f"slices are missing: {missing} of a stack with one every {usual:.2f} mm "
            f"({int(uneven.sum())} of {len(gaps)} gaps are wider). Add them, or "
            "export the series again."
        )
    return usual, (
        f"its slices are not evenly spaced: {int(uneven.sum())} of {len(gaps)} gaps differ from "
        f"{usual:.2f} mm ({gaps.min():.2f} to {gaps.max():.2f} mm)"
    )


def _drift(heights_mm: NDArray[np.float64]) -> str | None:
    """Return what to say where small differences between gaps add up to half a slice."""
    even = np.linspace(heights_mm[0], heights_mm[-1], len(heights_mm))
    step_mm = float(even[1] - even[0])
    drift_mm = float(np.abs(heights_mm - even).max())
    if drift_mm <= step_mm / 2:
        return None
    return (
        f"its slices are not evenly spaced: they lie up to {drift_mm:.2f} mm off equal steps of "
        f"{step_mm:.2f} mm"
    )


def _sideways(positions: NDArray[np.float64], first: SlicePlace) -> NDArray[np.float64]:
    """Return (N, 2): mm along rows and columns by which slices are shifted; zeros if negligible.

    Raises:
        ContractError: they do not lie on one line.
    """
    offsets = positions - positions[0]
    axes = np.stack([first.row_direction, first.column_direction], axis=1)  # (3, 2)
    found: NDArray[np.float64] = offsets @ axes
    pixel_mm = max(first.row_spacing_mm, first.column_spacing_mm)
    if len(positions) < 2:
        return found
    heights = offsets @ first.normal
    on_a_line = np.stack([heights, np.ones_like(heights)], axis=1)
    slope, *_ = np.linalg.lstsq(on_a_line, found, rcond=None)
    if np.abs(found - on_a_line @ slope).max() > pixel_mm:
        raise ContractError(
            "its slices are shifted sideways against each other. Resample the series to a "
            "rectangular grid first."
        )
    return found


def _tilt_deg(
    heights_mm: NDArray[np.float64], sideways_mm: NDArray[np.float64], first: SlicePlace
) -> float:
    """Return the angle of stacking, or 0 where it moves no slice by a pixel."""
    reach_mm = float(np.linalg.norm(sideways_mm[-1]))
    angle = math.degrees(math.atan2(reach_mm, float(heights_mm[-1] - heights_mm[0])))
    pixel_mm = max(first.row_spacing_mm, first.column_spacing_mm)
    return angle if reach_mm > 0 and (angle > MAX_TILT_DEG or reach_mm > pixel_mm) else 0.0
