"""Unevenly spaced slices made even: each new slice is a mean of the two it lies between.

Heads were scanned with thin slices near the base of the skull and thicker ones above. A volume has
one spacing; where the user asks for it, slices at the usual gap are interpolated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide_medical.volumes import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNEVEN_SLICES_RESAMPLED = "uneven_slices_resampled"


def interpolate_slices(
    values: NDArray[Any], heights_mm: NDArray[np.float64], step_mm: float
) -> NDArray[Any]:
    """Return slices at equal steps from the first to the last, interpolated linearly.

    Args:
        values: (I, J, N).
        heights_mm: (N,) rising, the first 0.
        step_mm: between the new slices.

    Returns:
        (I, J, M), of the type of ``values``; whole numbers are rounded.

    Raises:
        ContractError: there would be too many.
    """
    count = int(np.floor(heights_mm[-1] / step_mm + 1e-6)) + 1
    check_size((*values.shape[:2], count))
    even = np.empty((*values.shape[:2], count), dtype=values.dtype)
    for index in range(count):
        height = min(index * step_mm, heights_mm[-1])
        above = max(1, int(np.searchsorted(heights_mm, height)))
        low, high = heights_mm[above - 1], heights_mm[above]
        weight = np.float32((height - low) / (high - low))
        mixed = values[:, :, above - 1] * (1 - weight) + values[:, :, above] * weight
        even[:, :, index] = np.rint(mixed) if values.dtype.kind == "i" else mixed
    return even
