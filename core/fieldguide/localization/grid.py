"""Overlapping windows that cover a large picture or volume, in reading order."""

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
    """Boxes of one size at equal distances; the last of each axis end at the source's edge.

    Attributes:
        size_px: of the source: (H, W) of a picture, (X, Y, Z) of a volume.
        window_px: sides of a window; where the source is smaller, its windows are too.
        stride_px: from one window to the next; the last step of an axis may be shorter.

    >>> [window.start_px for window in WindowGrid((4, 9), window_px=(4, 4), stride_px=(2, 2))]
    [(0, 0), (0, 2), (0, 4), (0, 5)]
    """

    size_px: tuple[int, ...]
    window_px: tuple[int, ...]
    stride_px: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many windows there are on each axis."""
        return tuple(self._count(axis) for axis in range(len(self.size_px)))

    @property
    def sides_px(self) -> tuple[int, ...]:
        """The sides of every window: none is longer than the source."""
        return tuple(map(min, self.window_px, self.size_px))

    def __len__(self) -> int:
        """Return how many windows there are."""
        return math.prod(self.shape)

    def __getitem__(self, place: Any) -> Any:
        """Return the window at a place."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        rest, starts = place % len(self), []
        for axis in reversed(range(len(self.size_px))):
            rest, number = divmod(rest, self._count(axis))
            starts.append(self._start(number, axis))
        return Window(tuple(reversed(starts)), self.sides_px)

    def boxes(self) -> NDArray[np.int64]:
        """Return (N, 2A): the first pixel on each of A axes, then the one behind the last."""
        starts = [self.starts(axis) for axis in range(len(self.size_px))]
        first = np.stack([a.ravel() for a in np.meshgrid(*starts, indexing="ij")], axis=1)
        return np.concatenate([first, first + np.array(self.sides_px, np.int64)], axis=1)

    def starts(self, axis: int) -> NDArray[np.int64]:
        """Return the first pixel of the windows along an axis."""
        return np.array([self._start(n, axis) for n in range(self._count(axis))], np.int64)

    def _count(self, axis: int) -> int:
        beyond = max(0, self.size_px[axis] - self.window_px[axis])
        return 1 + math.ceil(beyond / self.stride_px[axis])

    def _start(self, number: int, axis: int) -> int:
        return min(number * self.stride_px[axis], max(0, self.size_px[axis] - self.window_px[axis]))


def make_grid(
    size_px: tuple[int, ...], window_px: int | tuple[int, ...], overlap: float
) -> WindowGrid:
    """Return the grid for a window and the share of its sides that its neighbour overlaps.

    Args:
        size_px: of the source.
        window_px: side of a square or cube, or one side for each axis.
        overlap: 0 to MAX_OVERLAP.

    Raises:
        UsageError: a window without a pixel, or an overlap out of range.
    """
    sides = (window_px,) * len(size_px) if isinstance(window_px, int) else window_px
    if min(sides) < 1:
        raise UsageError(f"A window of {min(sides)} px shows nothing. Name a larger --window.")
    if not 0 <= overlap <= MAX_OVERLAP:
        raise UsageError(f"An overlap of {overlap} is not between 0 and {MAX_OVERLAP}.")
    return WindowGrid(size_px, sides, tuple(max(1, round(s * (1 - overlap))) for s in sides))
