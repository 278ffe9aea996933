"""Windows by which a raster is judged that is too large to be read as a whole."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE_PX = 256


def probe_windows(height: int, width: int, per_side: int) -> Iterator[Window]:
    """Yield windows of at most 256 x 256 px that are spread evenly and do not overlap.

    A raster of at most ``per_side`` x 256 px on a side is covered as a whole.

    >>> [(w.col_off, w.width) for w in probe_windows(1, 1000, 2)]
    [(0, 256), (744, 256)]
    """
    for row, rows in _spread(height, per_side):
        for column, columns in _spread(width, per_side):
            yield Window(column, row, columns, rows)


def _spread(length: int, count: int) -> list[tuple[int, int]]:
    """Return first pixel and length of each window along an axis."""
    if length <= count * PROBE_PX:
        edges = np.linspace(0, length, min(length, count) + 1).astype(int).tolist()
        return [(start, end - start) for start, end in itertools.pairwise(edges)]
    return [
        (start, PROBE_PX) for start in np.linspace(0, length - PROBE_PX, count).astype(int).tolist()
    ]
