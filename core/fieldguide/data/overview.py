"""What a large source shows, judged by some of its windows: for checks and for its colours."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fieldguide.samples import Sample, Window, Windowed

TILES = 36
MAX_TILE_PX = 512
"""Larger tiles are thinned out, so that memory stays bounded."""
GOLDEN = (math.sqrt(5) - 1) / 2


def overview(source: Windowed, windows: Sequence[Window], at_least_px: int) -> Sample | None:
    """Return up to ``TILES`` windows with data beside and below each other, as one picture.

    They are taken from all over the source, the same ones each time, and in full detail: a reduced
    picture of the whole would mix colours that lie side by side.

    Args:
        source: open.
        windows: all of one size.
        at_least_px: as for reading a window.

    Returns:
        (H, W, C) with its mask of valid pixels, or None where no window has data.
    """
    tiles: list[Sample] = []
    for place in scattered(len(windows)):
        try:
            tile = _thinned(source.read(windows[place], at_least_px))
        except LoadError:  # the job that reads all windows tells of it
            continue
        if tile.valid_fraction > 0 and (not tiles or tile.size_px == tiles[0].size_px):
            tiles.append(tile)
        if len(tiles) == TILES:
            break
    if not tiles:
        return None
    columns = math.isqrt(len(tiles))
    kept = tiles[: len(tiles) // columns * columns]
    rows = [kept[start : start + columns] for start in range(0, len(kept), columns)]
    array = np.concatenate([np.concatenate([t.array for t in row], axis=1) for row in rows])
    valid = np.concatenate([np.concatenate([_valid(t) for t in row], axis=1) for row in rows])
    return replace(tiles[0], array=array, valid=None if valid.all() else valid)


def scattered(count: int) -> Iterator[int]:
    """Yield each of 0 to ``count`` - 1 once, neighbours in the order far apart.

    >>> list(scattered(8))
    [0, 5, 2, 7, 4, 1, 6, 3]
    """
    step = max(1, round(count * GOLDEN))
    while math.gcd(step, count) > 1:
        step += 1
    yield from (place * step % count for place in range(count))


def _thinned(sample: Sample) -> Sample:
    step = math.ceil(max(sample.size_px) / MAX_TILE_PX)
    part = (slice(None, None, step),) * sample.spatial_dims
    valid = None if sample.valid is None else sample.valid[part]
    return replace(sample, array=sample.array[part], valid=valid)


def _valid(sample: Sample) -> np.ndarray:
    return np.ones(sample.size_px, np.bool_) if sample.valid is None else sample.valid
