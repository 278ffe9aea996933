"""A small picture of a whole slide, made of its pixels alone; what is damaged stays white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import LoadError
from fieldguide_medical.slides.pyramid import halves, read_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide_medical.slides.area import Box
    from fieldguide_medical.slides.pyramid import Pyramid

SMALLEST_PX = 32
"""A damaged part is cut in halves down to this side, in pixels of the overview."""


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
    try:
        return read_box(pyramid, box, size_px), np.zeros(size_px, np.bool_)
    except LoadError:
        if max(size_px) <= SMALLEST_PX:
            return np.full((*size_px, 3), 255, np.uint8), np.ones(size_px, np.bool_)
    axis, first, second = halves(box, size_px)
    parts = [_read(pyramid, *half) for half in (first, second)]
    pixels, unread = (np.concatenate(list(part), axis=axis) for part in zip(*parts, strict=True))
    return pixels, unread
