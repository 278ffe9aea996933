"""A small picture of a whole slide, made of its pixels alone; what is damaged stays white."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import LoadError
from fieldguide_medical.slides.pyramid import read_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide_medical.slides.area import Box
    from fieldguide_medical.slides.pyramid import Pyramid

SMALLEST_PX = 32
"""Side of the blocks that a damaged slide is read in, in pixels of the overview, at least."""
BLOCKS_A_SIDE = 24
"""At most: each damaged one is tried once, which takes as long as opening the file."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A slide seen from far away.

    Attributes:
        pixels: (h, w, 3).
        unread: (h, w), True where the file is damaged.
        scale: pixels of the finest level for one of these, down and across.
    """

    pixels: NDArray[np.uint8]
    unread: NDArray[np.bool_]
    scale: tuple[float, float]


def make_overview(pyramid: Pyramid, longer_px: int) -> Overview:
    """Read a slide as a whole.

    Args:
        pyramid: an open slide.
        longer_px: at most how long the longer side becomes.
    """
    height, width = pyramid.levels[0].size_px
    factor = max(1.0, max(height, width) / longer_px)
    size_px = (max(1, round(height / factor)), max(1, round(width / factor)))
    pixels, unread = _read(pyramid, (0.0, 0.0, float(height), float(width)), size_px)
    return Overview(pixels, unread, (height / size_px[0], width / size_px[1]))


def _read(
    pyramid: Pyramid, box: Box, size_px: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read all at once, or block by block where a part is damaged."""
    try:
        return read_box(pyramid, box, size_px), np.zeros(size_px, np.bool_)
    except LoadError:
        pixels = np.full((*size_px, 3), 255, np.uint8)
        unread = np.zeros(size_px, np.bool_)
    side_px = max(SMALLEST_PX, math.ceil(max(size_px) / BLOCKS_A_SIDE))
    for top, left in itertools.product(*(range(0, length, side_px) for length in size_px)):
        bottom, right = min(top + side_px, size_px[0]), min(left + side_px, size_px[1])
        down, across = box[2] / size_px[0], box[3] / size_px[1]
        part = (top * down, left * across, bottom * down, right * across)
        try:
            shape = (bottom - top, right - left)
            pixels[top:bottom, left:right] = read_box(pyramid, part, shape)
        except LoadError:
            unread[top:bottom, left:right] = True
    return pixels, unread
