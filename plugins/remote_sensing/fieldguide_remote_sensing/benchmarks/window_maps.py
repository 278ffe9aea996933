"""Heat maps of texts over large scenes: the mean similarity of all windows over a place.

Yuan et al. 2022, arXiv:2209.06515, with the windows of the authors' code: 256, 512 and 768 pixels,
side by side, and once more shifted by half a window both ways; the last ones end at the edge. The
map runs from 0 at its lowest to 1 at its highest in 255 steps, and its median over 251 x 251 pixels
is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldguide.benchmarks.vectors import encode_all
from fieldguide.data.inputs import Item
from fieldguide.errors import InputError, UsageError
from fieldguide.samples import RGB
from fieldguide_remote_sensing.benchmarks.cell_maps import CellMap, mean_of_boxes, median_filtered

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from fieldguide.benchmarks.vectors import Encoded
    from fieldguide.guides import Guide
    from fieldguide_remote_sensing.benchmarks.cell_maps import Box

WINDOWS_PX = (256, 512, 768)
MEDIAN_PX = 251
STEPS = 255


class WindowMaps:
    """Makes heat maps with a guide's model; the vectors of the last scene are kept.

    Args:
        guide: domain, modality and model.
    """

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        self._path: Path | None = None
        self._boxes: list[Box] = []
        self._encoded: Encoded | None = None

    @property
    def provenance(self) -> dict[str, Any]:
        """How the vectors of the last scene were made."""
        return {} if self._encoded is None else dict(self._encoded.provenance)

    def __call__(self, path: Path, text: str) -> NDArray[np.float64]:
        """Return (H, W) from 0 to 1.

        Raises:
            UsageError: the scene cannot be read or is no picture in red, green and blue.
        """
        if self._encoded is None or self._path != path:
            self._boxes, self._encoded = self._encode(path)
            self._path = path
        query = self._encoded.encoder.encode_texts([text])
        scores = self._encoded.embeddings.similarity(query)[:, 0]
        cells = mean_of_boxes(self._boxes, scores.tolist())
        return median_filtered(stretched(cells), MEDIAN_PX) / STEPS

    def _encode(self, path: Path) -> tuple[list[Box], Encoded]:
        pixels = self._read(path)
        boxes = window_boxes(pixels.shape[0], pixels.shape[1])
        items = [
            Item(f"{path}#{number}", f"{path} window {number}", image=pixels[t:b, left:right])
            for number, (t, left, b, right) in enumerate(boxes)
        ]
        encoded = encode_all(self._guide, items)
        if encoded.failed:
            raise UsageError(f"{path}: a window cannot be used: {encoded.failed[0]['reason']}")
        return boxes, encoded

    def _read(self, path: Path) -> NDArray[np.uint8]:
        item = self._guide.find(path)[0]
        try:
            sample = self._guide.planner.reader_of(item).load(item)
        except InputError as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        if sample.bands != RGB or sample.array.dtype != np.uint8:
            raise UsageError(f"{path} is no picture in red, green and blue of 8 bits.")
        return np.asarray(sample.array)


def window_boxes(height_px: int, width_px: int) -> list[Box]:
    """Return (top, left, bottom, right) of all windows, each once; smaller pictures are one."""
    boxes: dict[Box, None] = {}
    for side in WINDOWS_PX:
        for start in (0, side // 2):
            for column in range(start, max(width_px, start + 1), side):
                for row in range(start, max(height_px, start + 1), side):
                    top, left = (
                        max(0, min(place, length - side))
                        for place, length in ((row, height_px), (column, width_px))
                    )
                    bottom, right = min(top + side, height_px), min(left + side, width_px)
                    boxes[top, left, bottom, right] = None
    return list(boxes)


def stretched(cells: CellMap) -> CellMap:
    """Return a map from 0 to 255, whole numbers cut off; zeros where all is the same."""
    low, high = float(cells.values.min()), float(cells.values.max())
    share = np.zeros_like(cells.values) if high == low else (cells.values - low) / (high - low)
    return CellMap(cells.rows_px, cells.columns_px, np.floor(STEPS * share))
