"""Overlapping windows that cover a large picture, in reading order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldguide.errors import UsageError
from fieldguide.samples import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_OVERLAP = 0.9
USUAL_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class WindowGrid(Sequence[Window]):
    """Squares of one size at equal distances; the last of each axis end at the picture's edge.

    Attributes:
        size_px: (H, W) of the picture.
        window_px: side of a window; where the picture is smaller, its windows are too.
        stride_px: from one window to the next; the last step of an axis may be shorter.

    >>> [window.start_px for window in WindowGrid((4, 9), window_px=4, stride_px=2)]
    [(0, 0), (0, 2), (0, 4), (0, 5)]
    """

    size_px: tuple[int, int]
    window_px: int
    stride_px: int

    @property
    def shape(self) -> tuple[int, int]:
        """How many windows there are on each axis."""
        height, width = self.size_px
        return self._count(height), self._count(width)

    def __len__(self) -> int:
        """Return how many windows there are."""
        rows, columns = self.shape
        return rows * columns

    def __getitem__(self, place: Any) -> Any:
        """Return the window at a place."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        row, column = divmod(place % len(self), self.shape[1])
        height, width = self.size_px
        start_px = (self._start(row, height), self._start(column, width))
        return Window(start_px, (min(self.window_px, height), min(self.window_px, width)))

    def boxes(self) -> NDArray[np.int64]:
        """Return (N, 4): first row, first column, and the row and column behind the last."""
        height, width = self.size_px
        rows, columns = self.starts(0), self.starts(1)
        top, left = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
        bottom = top + min(self.window_px, height)
        return np.stack([top, left, bottom, left + min(self.window_px, width)], axis=1)

    def starts(self, axis: int) -> NDArray[np.int64]:
        """Return the first pixel of the windows along an axis: 0 for rows, 1 for columns."""
        length = self.size_px[axis]
        return np.array([self._start(n, length) for n in range(self._count(length))], np.int64)

    def _count(self, length: int) -> int:
        return 1 + math.ceil(max(0, length - self.window_px) / self.stride_px)

    def _start(self, number: int, length: int) -> int:
        return min(number * self.stride_px, max(0, length - self.window_px))


def make_grid(size_px: tuple[int, int], window_px: int, overlap: float) -> WindowGrid:
    """Return the grid for a window and the share of its side that its neighbour overlaps.

    Raises:
        UsageError: a window without a pixel, or an overlap out of range.
    """
    if window_px < 1:
        raise UsageError(f"A window of {window_px} px shows nothing. Name a larger --window.")
    if not 0 <= overlap <= MAX_OVERLAP:
        raise UsageError(f"An overlap of {overlap} is not between 0 and {MAX_OVERLAP}.")
    return WindowGrid(size_px, window_px, max(1, round(window_px * (1 - overlap))))
