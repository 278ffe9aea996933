"""The mean of the light that falls on each output pixel, for boxes between pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Top, left, bottom, right; pixel i reaches from i to i + 1."""


def area_average(
    pixels: NDArray[np.uint8], box: Box, size_px: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return a box of a picture in another size: each pixel is the mean of the area it covers.

    What a box covers beyond the picture's edge does not count.

    Args:
        pixels: (H, W, C).
        box: in pixels of the picture; at least a part of each output pixel lies inside.
        size_px: (h, w) of what is returned, at most as fine as the picture.

    Returns:
        (h, w, C).
    """
    top, left, bottom, right = box
    height, width = size_px
    if box == (int(top), int(left), int(top) + height, int(left) + width):
        return pixels[int(top) : int(bottom), int(left) : int(right)]
    bands = pixels.shape[2]
    rows = _weights((top, bottom), pixels.shape[0], height)  # (h, H)
    columns = _weights((left, right), pixels.shape[1], width)  # (w, W)
    flat = pixels.reshape(pixels.shape[0], -1).astype(np.float32)
    fewer = (rows @ flat).reshape(height, -1, bands).transpose(1, 0, 2)  # (W, h, C)
    means = columns @ np.ascontiguousarray(fewer).reshape(fewer.shape[0], -1)
    turned = means.reshape(width, height, bands).transpose(1, 0, 2)
    return np.ascontiguousarray(np.round(turned).astype(np.uint8))


def _weights(ends: tuple[float, float], length: int, count: int) -> csr_array:
    """Return (count, length): which part of each output pixel each pixel covers."""
    edges = np.linspace(*ends, count + 1)
    places = np.arange(length)
    overlap = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    overlap = np.clip(overlap, 0, None)
    return csr_array((overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32))
