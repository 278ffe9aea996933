"""Pen marks on slides: blue, green, red and black ink, told from stain by what light they take.

Haematoxylin and eosin both take green light most (Ruifrok and Johnston 2001, "Quantification of
histochemical staining by color deconvolution"). Green ink takes it least, blue ink takes red most,
red ink takes green and blue alike and next to no red, and black ink takes all alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_DENSITY = 0.15
"""Mean optical density from which a pixel can be ink at all."""
SURE_FACTOR = 2.0
"""A mark is kept where some of it is this many times as clearly ink as it must be."""
MIN_MARK_FRACTION = 2e-4
"""Of the picture: smaller spots are no strokes of a pen."""
RIM_PX = 3
"""Around a mark, where ink and what lies below mix."""


def find_ink(density: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a pen was.

    Args:
        density: (H, W, 3) optical density of red, green and blue, 0 for the light of the slide.

    Returns:
        (H, W).
    """
    clear = ink_clearness(density)
    marks, count = ndimage.label(clear >= 1, structure=np.ones((3, 3)))
    if count == 0:
        return np.zeros(clear.shape, np.bool_)
    places = np.arange(count + 1)
    sure = ndimage.maximum(clear, marks, places) >= SURE_FACTOR
    large = np.bincount(marks.ravel(), minlength=count + 1) >= MIN_MARK_FRACTION * clear.size
    kept = sure & large
    kept[0] = False
    return np.asarray(ndimage.binary_dilation(kept[marks], iterations=RIM_PX), np.bool_)


def ink_clearness(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (H, W): how clearly a pixel is ink of any colour; from 1 on it may be."""
    red, green, blue = np.moveaxis(density, -1, 0)
    mean = density.mean(axis=-1)
    spread = np.ptp(density, axis=-1)
    rules = (
        (np.minimum(red, blue) - green) / 0.08,  # green: green light passes best
        np.minimum((red - green) / 0.10, (green - blue) / 0.05),  # blue: red is taken, blue passes
        np.minimum((np.minimum(green, blue) - 3 * red) / 0.15, (blue - 0.75 * green) / 0.03),  # red
        np.where(spread < 0.2 * mean, (mean - 0.25) / 0.25, 0),  # black
    )
    found = np.max(np.stack(rules), axis=0)
    return np.asarray(np.where(mean >= MIN_DENSITY, found, 0), np.float32)
