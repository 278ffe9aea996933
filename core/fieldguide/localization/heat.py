"""Heat maps: the scores of overlapping windows blended into one picture without seams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.localization.grid import WindowGrid


def heat_map(
    grids: Sequence[WindowGrid], scores: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return (rows, columns) cells over the whole picture, NaN where no window has a score.

    A cell is about as large as the smallest stride; the cells cover the picture exactly. Its heat
    is the mean of all windows over its middle, weighted by how near their own middle is (a
    triangle on each axis), so that it has no steps where windows or reads begin and end.

    Args:
        grids: one for each size of window, over the same picture.
        scores: of each grid's windows, (N,), NaN where there is none.
    """
    size_px = grids[0].size_px
    stride = min(grid.stride_px for grid in grids)
    shape = tuple(max(1, round(length / stride)) for length in size_px)
    total, weight = np.zeros(shape), np.zeros(shape)
    for grid, values in zip(grids, scores, strict=True):
        table = values.reshape(grid.shape).astype(np.float64)
        known = np.isfinite(table)
        rows, columns = (_weights(grid, axis, shape[axis]) for axis in (0, 1))
        total += rows @ np.where(known, table, 0.0) @ columns.T
        weight += rows @ known.astype(np.float64) @ columns.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, total / weight, np.nan).astype(np.float32)


def _weights(grid: WindowGrid, axis: int, cells: int) -> NDArray[np.float64]:
    """Return (cells, windows): how much each window counts in each cell along an axis."""
    length = grid.size_px[axis]
    window = min(grid.window_px, length)
    middles = (np.arange(cells) + 0.5) * (length / cells)
    distance = np.abs(middles[:, None] - (grid.starts(axis) + window / 2)[None, :])
    return np.clip(1 - distance / (window / 2), 0, None)
