"""Maps that are constant on the cells of a grid, such as sums of windows, and their median filter.

Windows of a few sizes overlap in rectangles between their edges. On these a map is kept and
computed exactly, at a hundredth of a picture's pixels and less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class CellMap:
    """A map of R x C cells.

    Attributes:
        rows_px: (R + 1,) where the cells begin and the last one ends, from 0 to the height.
        columns_px: (C + 1,) likewise.
        values: (R, C).
    """

    rows_px: NDArray[np.int64]
    columns_px: NDArray[np.int64]
    values: NDArray[np.floating]

    def pixels(self) -> NDArray[np.floating]:
        """Return (H, W)."""
        tall = np.repeat(self.values, np.diff(self.rows_px), axis=0)
        return np.repeat(tall, np.diff(self.columns_px), axis=1)


def mean_of_boxes(boxes: Sequence[Box], scores: Sequence[float]) -> CellMap:
    """Return the mean score of the boxes over each place.

    Args:
        boxes: (top, left, bottom, right) in pixels, which together cover a picture.
        scores: of each.
    """
    edges = np.array(boxes, dtype=np.int64)
    rows, columns = (np.unique(edges[:, [axis, axis + 2]]) for axis in (0, 1))
    total = np.zeros((len(rows) - 1, len(columns) - 1))
    count = np.zeros_like(total)
    for box, value in zip(edges, scores, strict=True):
        top, bottom = np.searchsorted(rows, box[[0, 2]])
        left, right = np.searchsorted(columns, box[[1, 3]])
        total[top:bottom, left:right] += value
        count[top:bottom, left:right] += 1
    return CellMap(rows, columns, total / count)


def median_filtered(cells: CellMap, side_px: int) -> NDArray[np.floating]:
    """Return (H, W): the median over a square around each pixel; edges are repeated outwards.

    Within one cell the square reaches the same few cells, each with a share that is a product of
    a number of rows and a number of columns: the median is a weighted one of their values.

    Args:
        cells: the map.
        side_px: of the square, odd.
    """
    row_shares, column_shares = (
        _reach(edges, side_px // 2) for edges in (cells.rows_px, cells.columns_px)
    )
    found = np.empty((len(row_shares), len(column_shares)), dtype=cells.values.dtype)
    for top, bottom in zip(cells.rows_px, cells.rows_px[1:], strict=False):
        near_rows = np.flatnonzero(row_shares[top:bottom].any(axis=0))
        for left, right in zip(cells.columns_px, cells.columns_px[1:], strict=False):
            near_columns = np.flatnonzero(column_shares[left:right].any(axis=0))
            values = cells.values[np.ix_(near_rows, near_columns)].ravel()
            order = np.argsort(values, kind="stable")
            shares = (
                row_shares[top:bottom, None, near_rows, None]
                * column_shares[None, left:right, None, near_columns]
            ).reshape(bottom - top, right - left, -1)
            below = shares[..., order].cumsum(axis=-1)
            place = (2 * below > side_px**2).argmax(axis=-1)
            found[top:bottom, left:right] = values[order][place]
    return found


def _reach(edges_px: NDArray[np.int64], radius_px: int) -> NDArray[np.int64]:
    """Return (L, cells): how many of the pixels around each pixel lie in each cell, on one axis."""
    length = int(edges_px[-1])
    places = np.clip(np.arange(-radius_px, length + radius_px), 0, length - 1)
    cell = np.searchsorted(edges_px, places, side="right") - 1
    steps = np.zeros((len(places) + 1, len(edges_px) - 1), dtype=np.int64)
    steps[np.arange(1, len(places) + 1), cell] = 1
    steps = steps.cumsum(axis=0)
    return steps[2 * radius_px + 1 :] - steps[:length]
