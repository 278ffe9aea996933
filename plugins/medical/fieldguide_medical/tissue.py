"""Where on a slide tissue is: coloured by stain, without glass, dust and pen marks.

Tissue is told from glass by how unequally it takes red, green and blue light, with Otsu's threshold
(Otsu 1979, "A threshold selection method from gray-level histograms") held between two limits: a
picture of tissue alone, or of glass alone, has no two groups to tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from fieldguide_medical.ink import find_ink

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.samples import Window

MIN_SPREAD, MAX_SPREAD = 0.04, 0.10
"""Optical density: between these lies the threshold of the spread of the bands."""
SMOOTHING_PX = 1.5
DARKEST_LIGHT = 120.0
"""Of the three bands: the glass of a slide is at least this bright."""
MAX_TINT = 0.06
"""Optical density by which the colours of the light may differ."""
SMALLEST_FRACTION = 1e-4
"""Of the picture: smaller specks are dust, and smaller holes are closed."""


def optical_density(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (H, W, 3): how much light is taken, against the light of the slide itself.

    The light is what the brightest hundredth of the pixels shows, if it is nearly white.

    Args:
        pixels: (H, W, 3).
    """
    light = np.percentile(pixels.reshape(-1, 3), 99, axis=0)
    tint = np.log10(max(1.0, light.max())) - np.log10(max(1.0, light.min()))
    if tint > MAX_TINT or light.min() < DARKEST_LIGHT:
        light = np.full(3, max(DARKEST_LIGHT, light.max()))
    shares = (pixels.astype(np.float32) + 1) / (light.astype(np.float32) + 1)
    return np.asarray(np.maximum(-np.log10(shares), 0), np.float32)


def find_tissue(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where there is tissue.

    Args:
        pixels: (H, W, 3) sRGB of a whole slide, some 1,000 to 2,000 px long.

    Returns:
        (H, W).
    """
    density = optical_density(pixels)
    ink = find_ink(density)
    smooth = ndimage.gaussian_filter(density, (SMOOTHING_PX, SMOOTHING_PX, 0))
    spread = np.ptp(smooth, axis=-1)
    seen = spread[~ink]
    if seen.size == 0 or float(np.ptp(seen)) == 0:
        threshold = MAX_SPREAD if seen.size == 0 else MIN_SPREAD
    else:
        threshold = float(np.clip(threshold_otsu(seen), MIN_SPREAD, MAX_SPREAD))
    smallest = max(4, round(SMALLEST_FRACTION * spread.size))
    mask = without_specks((spread > threshold) & ~ink, smallest)
    return ~without_specks(~mask, smallest) & ~ink


def without_specks(mask: NDArray[np.bool_], smallest_px: int) -> NDArray[np.bool_]:
    """Return a mask without its connected parts of fewer pixels."""
    parts, count = ndimage.label(mask)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    kept = sizes >= smallest_px
    kept[0] = False
    return np.asarray(kept[parts], np.bool_)


@dataclass(frozen=True)
class TissueMap:
    """Where tissue is, for any window of the slide.

    Args:
        mask: (h, w) over all of the slide.
        scale: pixels of the slide for one of the mask, down and across.
    """

    mask: NDArray[np.bool_]
    scale: tuple[float, float]

    def __post_init__(self) -> None:
        sums = np.zeros((self.mask.shape[0] + 1, self.mask.shape[1] + 1))
        sums[1:, 1:] = self.mask.astype(np.float64).cumsum(axis=0).cumsum(axis=1)
        object.__setattr__(self, "_sums", sums)

    def share(self, window: Window) -> float:
        """Return which part of a window is tissue, 0 to 1."""
        down, across = self.scale
        (row, column), (height, width) = window.start_px, window.size_px
        top, bottom = row / down, (row + height) / down
        left, right = column / across, (column + width) / across
        inside = self._sum(bottom, right) - self._sum(top, right)
        inside += self._sum(top, left) - self._sum(bottom, left)
        return float(np.clip(inside / ((bottom - top) * (right - left)), 0, 1))

    def _sum(self, row: float, column: float) -> float:
        """Return the area of tissue above and left of a place between pixels."""
        sums: NDArray[np.float64] = self._sums  # type: ignore[attr-defined] # made after the mask
        height, width = self.mask.shape
        r, c = min(int(row), height - 1), min(int(column), width - 1)
        down, along = min(row, height) - r, min(column, width) - c
        upper = sums[r, c] * (1 - along) + sums[r, c + 1] * along
        lower = sums[r + 1, c] * (1 - along) + sums[r + 1, c + 1] * along
        return float(upper * (1 - down) + lower * down)
