"""Where the patient is in a CT volume: the air around is nothing to look for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

BODY_ABOVE_HU = -500.0
"""Half way between air (-1000) and water (0): skin and fat (-100) lie above, lung below."""


def body_mask(values_hu: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which voxels are of the patient, lungs and bowel gas among them.

    The largest piece of dense voxels, with the holes of each axial slice filled. The table under
    the patient is another piece as long as a voxel of air lies between.

    Args:
        values_hu: (X, Y, Z) in RAS order.

    Returns:
        (X, Y, Z); all False where nothing is dense.
    """
    pieces, count = ndimage.label(values_hu > BODY_ABOVE_HU)
    if count == 0:
        return np.zeros(values_hu.shape, np.bool_)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0  # the air
    body: NDArray[np.bool_] = pieces == sizes.argmax()
    for z in range(body.shape[2]):
        body[:, :, z] = ndimage.binary_fill_holes(body[:, :, z])
    return body
