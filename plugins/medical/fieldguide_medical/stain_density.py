"""Pixels of stained tissue, and how much light they take (Beer and Lambert)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import FieldguideError

Pixels = NDArray[np.uint8]
"""(..., 3) sRGB."""
Values = NDArray[np.float64]
Three = tuple[float, float, float]
"""A number of each of three axes, as records hold them."""

LIGHT = 240.0
"""Of the lamp, as the public implementations of Macenko's method take it."""
MIN_DENSITY = 0.15
"""Below it a pixel shows the lamp; natural logarithms, as there."""
MIN_TISSUE_PIXELS = 200
MAX_GAIN = 10.0
"""By which a colour may be spread: more would make a picture of noise."""
MAX_MEASURED = 2**20
"""Pixels, evenly taken."""

_DENSITIES = -np.log((np.arange(256) + 1.0) / LIGHT)


class NotStainedError(FieldguideError):
    """Too little tissue, or too few colours, to say how a picture was stained."""


def density(pixels: Pixels) -> Values:
    """Return the optical density of each band, in natural logarithms; below 0 above the lamp."""
    return np.asarray(_DENSITIES[pixels])


def light(densities: Values) -> Pixels:
    """Return the pixels of optical densities, the reverse of :func:`density`."""
    values = LIGHT * np.exp(-densities) - 1
    return np.asarray(np.clip(values, 0, 255).round(), np.uint8)


def measured(pixels: Pixels) -> Pixels:
    """Return (N, 3) of (..., 3), at most ``MAX_MEASURED`` of them, evenly taken."""
    flat = pixels.reshape(-1, 3)
    return flat[:: max(1, -(-len(flat) // MAX_MEASURED))]


def three(values: Values) -> Three:
    """Return (3,) as plain numbers."""
    first, second, third = map(float, values)
    return first, second, third


def require_tissue(count: int) -> None:
    """Raise NotStainedError when there are too few pixels of tissue."""
    if count < MIN_TISSUE_PIXELS:
        raise NotStainedError(
            f"only {count} of its pixels are stained; {MIN_TISSUE_PIXELS} are needed"
        )
