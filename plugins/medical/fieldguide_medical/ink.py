"""Pen marks on slides: blue, green, red and black ink, told from stain by what light they take.

Haematoxylin and eosin both take green light most (Ruifrok and Johnston 2001, "Quantification of
histochemical staining by color deconvolution"). Green ink takes it least, blue ink takes red most,
red ink takes green and blue alike and next to no red, and black ink takes all alike. Where ink lies
on tissue the two mix, and their colour is a stain's: there it is far darker than the tissue of the
same slide, in red light or, for red ink, in blue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_DENSITY = 0.15
"""Mean optical density from which a pixel can be ink at all."""
SURE = 2.0
"""How clearly some of a mark must be ink."""
MIN_SURE_SHARE = 0.05
"""Of a mark: dark tissue that a stroke touches is not drawn into it."""
MIN_MARK_FRACTION = 2e-4
"""Of the picture: smaller spots are no strokes of a pen."""
RIM_PX = 3
"""Around a mark, where ink and what lies below mix."""
SMOOTHING_PX = 1.5


def find_ink(density: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a pen was.

    Args:
        density: (H, W, 3) optical density of red, green and blue, 0 for the light of the slide.

    Returns:
        (H, W).
    """
    clear = np.maximum(ink_colour(density), ink_darkness(density))
    marks, count = ndimage.label(clear >= 1, structure=np.ones((3, 3)))
    sizes = np.bincount(marks.ravel(), minlength=count + 1)
    sure = np.bincount(marks[clear >= SURE], minlength=count + 1)
    kept = (sure >= MIN_SURE_SHARE * sizes) & (sizes >= MIN_MARK_FRACTION * clear.size)
    kept[0] = False
    if not kept.any():
        return np.zeros(clear.shape, np.bool_)
    return np.asarray(ndimage.binary_dilation(kept[marks], iterations=RIM_PX), np.bool_)


def ink_colour(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (H, W): how clearly a pixel has the colour of an ink; from 1 on it may be one."""
    red, green, blue = np.moveaxis(density, -1, 0)
    mean = density.mean(axis=-1)
    spread = np.ptp(density, axis=-1)
    rules = (
        (np.minimum(red, blue) - green) / 0.08,  # green: green light passes best
        np.minimum((red - green) / 0.10, (green - blue) / 0.05),  # blue: red is taken, blue passes
        np.minimum((np.minimum(green, blue) - 3 * red) / 0.15, (blue - 0.7 * green) / 0.04),  # red
        np.where(spread < 0.2 * mean, (mean - 0.25) / 0.25, 0),  # black
    )
    found = np.max(np.stack(rules), axis=0)
    return np.asarray(np.where(mean >= MIN_DENSITY, found, 0), np.float32)


def ink_darkness(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (H, W): how much darker a pixel is than the slide's tissue; from 1 on it may be ink.

    Measured by the medians of red and blue over what is stained at all.
    """
    smooth = ndimage.gaussian_filter(density, (SMOOTHING_PX, SMOOTHING_PX, 0))
    red, blue = smooth[..., 0], smooth[..., 2]
    stained = smooth.mean(axis=-1) >= MIN_DENSITY
    if not stained.any():
        return np.zeros(red.shape, np.float32)
    red_limit = np.clip(4 * np.median(red[stained]), 0.4, 0.8)
    blue_limit = np.clip(3 * np.median(blue[stained]), 0.5, 0.75)
    is_red_ink = red < 0.5 * blue
    return np.asarray(np.maximum(red / red_limit, np.where(is_red_ink, blue / blue_limit, 0)),
                      np.float32)  # fmt: skip
