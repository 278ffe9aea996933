"""A slide as a pyramid of levels, and boxes of it read from the level that suffices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fieldguide.errors import LoadError
from fieldguide_medical.slides.area import area_average

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide_medical.slides.area import Box
    from fieldguide_medical.slides.resolution import Resolution

MAX_PIXELS_AT_ONCE = 2**23
"""Of one read: 32 MiB with transparency."""
MAX_SIDE_PX = 4_000_000
"""A metre at 0.25 micrometres."""
SPARE = 1.001
"""A level this much coarser than asked for still counts as fine enough."""
MAX_SKEW = 1.05
"""How far the downsamples of rows and columns of one level may lie apart."""


@dataclass(frozen=True, slots=True)
class Level:
    """One size in which a slide is stored.

    Attributes:
        number: in the file.
        size_px: (H, W).
        downsample: of rows and of columns, against the finest level.
    """

    number: int
    size_px: tuple[int, int]
    downsample: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Patch:
    """Pixels of one level.

    Attributes:
        pixels: (H, W, 3), white where the slide is transparent.
        start: row and column of the level at which the first pixel begins; may be a fraction.
    """

    pixels: NDArray[np.uint8]
    start: tuple[float, float]


class Pyramid(Protocol):
    """An open slide; its levels are read from any thread."""

    @property
    def levels(self) -> Sequence[Level]:
        """Finest first."""
        ...

    @property
    def resolution(self) -> Resolution:
        """What the file says of its microns per pixel."""
        ...

    def read(self, level: Level, start: tuple[int, int], size_px: tuple[int, int]) -> Patch:
        """Read rows and columns of a level, inside it.

        Raises:
            LoadError: this part of the file is damaged.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...


def make_levels(sizes_px: Sequence[tuple[int, int]]) -> tuple[Level, ...]:
    """Return the levels of sizes (H, W), finest first; those of another shape are left out.

    Raises:
        LoadError: the finest is empty or larger than any slide.

    >>> [level.downsample for level in make_levels([(33, 48), (16, 24), (9, 9)])]
    [(1.0, 1.0), (2.0, 2.0)]
    """
    height, width = sizes_px[0] if sizes_px else (0, 0)
    if not (0 < height <= MAX_SIDE_PX and 0 < width <= MAX_SIDE_PX):
        raise LoadError("it states a size that no slide has. Get the file again.")
    levels = []
    for number, size in enumerate(sizes_px):
        if min(size) < 1:
            continue
        down, across = _downsample(height, size[0]), _downsample(width, size[1])
        if max(down, across) <= MAX_SKEW * min(down, across) and min(down, across) >= 1:
            levels.append(Level(number, size, (down, across)))
    return tuple(levels)


def _downsample(whole: int, part: int) -> float:
    """Return how many pixels of the finest level one of a level covers along an axis.

    Scanners cut what is left over at the end, so the quotient of the lengths is a little too
    large: a whole number that gives the length by cutting or by rounding up is the true one.
    """
    near = max(1, round(whole / part))
    return float(near) if part in (whole // near, math.ceil(whole / near)) else whole / part


def read_box(pyramid: Pyramid, box: Box, size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a box of the finest level in another size, each pixel the mean of its area.

    It is read from the coarsest level that is fine enough, in parts when it is large.

    Args:
        pyramid: an open slide.
        box: top, left, bottom, right, in pixels of the finest level.
        size_px: (h, w), not finer than the finest level.

    Returns:
        (h, w, 3).

    Raises:
        LoadError: a part of the box is damaged.
    """
    height, width = size_px
    top, left, bottom, right = box
    level = choose_level(pyramid.levels, min((bottom - top) / height, (right - left) / width))
    down, across = level.downsample
    rows, columns = (bottom - top) / down, (right - left) / across
    if rows * columns > MAX_PIXELS_AT_ONCE and max(size_px) > 1:
        axis, first, second = halves(box, size_px)
        parts = [read_box(pyramid, *half) for half in (first, second)]
        return np.concatenate(parts, axis=axis)
    inside = (top / down, left / across, bottom / down, right / across)
    start, stop = _covering(inside, level.size_px)
    patch = pyramid.read(level, start, (stop[0] - start[0], stop[1] - start[1]))
    row, column = patch.start
    there = (inside[0] - row, inside[1] - column, inside[2] - row, inside[3] - column)
    return area_average(patch.pixels, there, size_px)


Part = tuple["Box", tuple[int, int]]


def halves(box: Box, size_px: tuple[int, int]) -> tuple[int, Part, Part]:
    """Return the longer axis of a read, and its two halves along that axis."""
    top, left, bottom, right = box
    height, width = size_px
    if height >= width:
        cut = top + (bottom - top) * (height // 2) / height
        upper, lower = (top, left, cut, right), (cut, left, bottom, right)
        return 0, (upper, (height // 2, width)), (lower, (height - height // 2, width))
    cut = left + (right - left) * (width // 2) / width
    first, second = (top, left, bottom, cut), (top, cut, bottom, right)
    return 1, (first, (height, width // 2)), (second, (height, width - width // 2))


def choose_level(levels: Sequence[Level], factor: float) -> Level:
    """Return the coarsest level that is not coarser than a downsample of ``factor``."""
    fine = [level for level in levels if max(level.downsample) <= factor * SPARE]
    return max(fine, key=lambda level: max(level.downsample), default=levels[0])


def _covering(box: Box, size_px: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first pixel and the one behind the last that a box touches, inside a level."""
    (height, width), tiny = size_px, 1e-6
    row = min(max(0, math.floor(box[0] + tiny)), height - 1)
    column = min(max(0, math.floor(box[1] + tiny)), width - 1)
    last_row = min(max(row + 1, math.ceil(box[2] - tiny)), height)
    last_column = min(max(column + 1, math.ceil(box[3] - tiny)), width)
    return (row, column), (last_row, last_column)
