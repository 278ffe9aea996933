"""The best windows, of which no two show the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SHARED = 0.2
"""Of the smaller of two windows: with a half overlap neighbours share 1/2, diagonal ones 1/4."""


def best_places(
    scores: NDArray[np.float32], boxes: NDArray[np.int64], top: int, threshold: float
) -> list[int]:
    """Return the places of the best windows, best first, by greedy suppression of what overlaps.

    Args:
        scores: (N,), NaN where a window has none.
        boxes: (N, 2A): the first pixel on each of A axes, then the one behind the last.
        top: how many at most.
        threshold: windows with a lower score are left out.
    """
    left = np.where(np.isnan(scores), -np.inf, scores)
    left[left < threshold] = -np.inf
    chosen: list[int] = []
    while len(chosen) < top:
        best = int(left.argmax())  # of equal ones the first in reading order
        if left[best] == -np.inf:
            break
        chosen.append(best)
        left[shared_fractions(boxes, boxes[best]) > MAX_SHARED] = -np.inf
    return chosen


def shared_fractions(boxes: NDArray[np.int64], one: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (N,): which part of the smaller of two boxes both cover, with one box for all.

    Args:
        boxes: (N, 2A), as :meth:`WindowGrid.boxes` gives them.
        one: (2A,).

    >>> boxes = np.array([[0, 0, 4, 4], [2, 2, 6, 6], [0, 9, 4, 13]])
    >>> shared_fractions(boxes, boxes[0])
    array([1.  , 0.25, 0.  ])
    """
    axes = boxes.shape[1] // 2
    lengths = np.minimum(boxes[:, axes:], one[axes:]) - np.maximum(boxes[:, :axes], one[:axes])
    common = np.clip(lengths, 0, None).prod(axis=1)
    sizes = (boxes[:, axes:] - boxes[:, :axes]).prod(axis=1)
    return np.asarray(common / np.minimum(sizes, (one[axes:] - one[:axes]).prod()), np.float64)
