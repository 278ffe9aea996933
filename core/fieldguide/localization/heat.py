"""Heat maps: the scores of overlapping windows blended into one map without seams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldguide.localization.grid import WindowGrid


def heat_map(
    grids: Sequence[WindowGrid], scores: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return cells over the whole source, NaN where no window has a score.

    A cell is about as large as the smallest stride; the cells cover the source exactly. Its heat
    is the mean of all windows over its middle, weighted by how near their own middle is (a
    triangle on each axis), so that it has no steps where windows or reads begin and end.

    Args:
        grids: one for each size of window, over the same picture.
        scores: of each grid's windows, (N,), NaN where there is none.
    """
    axes = range(len(grids[0].size_px))
    strides = [min(grid.stride_px[axis] for grid in grids) for axis in axes]
    shape = tuple(max(1, round(grids[0].size_px[axis] / strides[axis])) for axis in axes)
    total, weight = np.zeros(shape), np.zeros(shape)
    for grid, values in zip(grids, scores, strict=True):
        table = values.reshape(grid.shape).astype(np.float64)
        known = np.isfinite(table)
        weights = [_weights(grid, axis, shape[axis]) for axis in axes]
        total += _spread(np.where(known, table, 0.0), weights)
        weight += _spread(known.astype(np.float64), weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, total / weight, np.nan).astype(np.float32)


def _spread(table: NDArray[np.float64], weights: Sequence[NDArray[np.float64]]) -> NDArray[Any]:
    """Return cells: the sum over windows of their value times their weight on every axis."""
    for axis, matrix in enumerate(weights):
        table = np.moveaxis(np.tensordot(matrix, table, axes=(1, axis)), 0, axis)
    return table


def _weights(grid: WindowGrid, axis: int, cells: int) -> NDArray[np.float64]:
    """Return (cells, windows): how much each window counts in each cell along an axis."""
    length, window = grid.size_px[axis], grid.sides_px[axis]
    middles = (np.arange(cells) + 0.5) * (length / cells)
    distance = np.abs(middles[:, None] - (grid.starts(axis) + window / 2)[None, :])
    return np.clip(1 - distance / (window / 2), 0, None)
