"""Centres of attention of a heat map: the peaks that are left when it is blurred five times.

As in the authors' code of Yuan et al. 2022, "Learning to Evaluate Performance of Multi-modal
Semantic Localization", arXiv:2209.06515: 8-bit maps, a blur of 50 by 50 pixels whose window begins
25 pixels before and mirrors the map beyond its edges, and peaks that are the highest within 1,000
by 1,000 pixels. Sizes are in pixels, so a figure means something only at the size of the picture
that the regions were drawn on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLUR_PX = 50
BLURS = 5
PEAK_PX = 1000
MIN_HEAT = 0.5
TOUCHING = np.ones((3, 3), dtype=bool)


def attention_centres(heat: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Return the middles (x, y) of the peaks that lie on heat of 0.5 or more, the hottest first.

    Args:
        heat: (H, W), 0 to 1.
    """
    gray = (heat * 255).astype(np.uint8)
    for _ in range(BLURS):
        gray = box_blur(gray, BLUR_PX)
    peaks = (ndimage.maximum_filter(gray, size=PEAK_PX) == gray) & (gray > 0)
    labels, count = ndimage.label(peaks, structure=TOUCHING)
    middles = ndimage.center_of_mass(peaks, labels, range(1, count + 1))
    centres = [(int(column), int(row)) for row, column in middles]
    warm = [centre for centre in centres if heat[centre[1], centre[0]] >= MIN_HEAT]
    return sorted(warm, key=lambda centre: -float(heat[centre[1], centre[0]]))


def box_blur(gray: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Return the mean over a square around each pixel, rounded; halves go to the even number.

    The square begins ``side_px // 2`` before the pixel; beyond the edges the picture is mirrored
    at the middle of its outermost pixels.
    """
    before = side_px // 2
    after = side_px - 1 - before
    sums = gray.astype(np.int32)
    for axis in (0, 1):
        around = [(0, 0), (0, 0)]
        around[axis] = (before + 1, after)
        steps = np.pad(sums, around, mode="reflect").cumsum(axis=axis, dtype=np.int32)
        length = gray.shape[axis]
        last = np.take(steps, range(side_px, side_px + length), axis=axis)
        sums = last - np.take(steps, range(length), axis=axis)
    return np.rint(sums / side_px**2).astype(np.uint8)
