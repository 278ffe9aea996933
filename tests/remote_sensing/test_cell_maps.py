"""Maps on cells: means of windows and their median, against the same over all pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fieldguide_remote_sensing.benchmarks.cell_maps import CellMap, mean_of_boxes, median_filtered
from fieldguide_remote_sensing.benchmarks.window_maps import stretched, window_boxes


def random_cells(size: tuple[int, int], seed: int) -> CellMap:
    boxes = window_boxes(*size)
    scores = np.random.default_rng(seed).random(len(boxes))
    return stretched(mean_of_boxes(boxes, scores.tolist()))


@pytest.mark.parametrize("size", [(700, 1100), (300, 900), (769, 768), (100, 200)])
def test_the_median_equals_that_of_opencv_over_all_pixels(size: tuple[int, int]) -> None:
    cells = random_cells(size, 1)
    expected = cv2.medianBlur(cells.pixels().astype(np.uint8), 251)
    assert np.array_equal(median_filtered(cells, 251), expected)


def test_a_place_has_the_mean_of_the_windows_over_it() -> None:
    boxes = window_boxes(600, 900)
    scores = np.random.default_rng(0).random(len(boxes))
    total, count = np.zeros((600, 900)), np.zeros((600, 900))
    for (top, left, bottom, right), value in zip(boxes, scores, strict=True):
        total[top:bottom, left:right] += value
        count[top:bottom, left:right] += 1
    found = mean_of_boxes(boxes, scores.tolist()).pixels()
    assert np.abs(found - total / count).max() < 1e-12


def test_windows_lie_side_by_side_and_shifted_by_half_and_end_at_the_edge() -> None:
    boxes = window_boxes(256, 700)
    assert [box for box in boxes if box[3] - box[1] == 256] == [
        (0, 0, 256, 256), (0, 256, 256, 512), (0, 444, 256, 700), (0, 128, 256, 384),
        (0, 384, 256, 640),
    ]  # fmt: skip
    assert (0, 0, 256, 512) in boxes
    assert (0, 0, 256, 700) in boxes  # the window of 768 px is larger than the picture
    assert len(boxes) == len(set(boxes))


def test_a_map_that_is_the_same_everywhere_has_no_heat() -> None:
    flat = CellMap(np.array([0, 5]), np.array([0, 7]), np.array([[0.3]]))
    assert stretched(flat).pixels().tolist() == np.zeros((5, 7)).tolist()
