"""Grids of windows: laws for all sizes, and a case by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import UsageError
from fieldguide.localization.grid import WindowGrid, make_grid
from fieldguide.localization.window_size import window_sizes_px
from fieldguide.samples import Window

lengths = st.integers(1, 60)


@given(lengths, lengths, st.integers(1, 40), st.floats(0, 0.9))
def test_every_pixel_is_in_a_window_and_no_window_leaves_the_picture(
    height: int, width: int, window_px: int, overlap: float
) -> None:
    grid = make_grid((height, width), window_px, overlap)
    covered = np.zeros((height, width), bool)
    for window in grid:
        (row, column), (rows, columns) = window.start_px, window.size_px
        assert 0 <= row <= height - rows
        assert 0 <= column <= width - columns
        assert (rows, columns) == (min(window_px, height), min(window_px, width))
        covered[row : row + rows, column : column + columns] = True
    assert covered.all()


@given(lengths, lengths, st.integers(1, 40), st.floats(0, 0.9))
def test_boxes_are_the_windows_in_their_order(
    height: int, width: int, window_px: int, overlap: float
) -> None:
    grid = make_grid((height, width), window_px, overlap)
    listed = [(*w.start_px, *np.add(w.start_px, w.size_px).tolist()) for w in grid]
    assert len(grid) == len(listed) == len(set(listed))
    assert [tuple(box) for box in grid.boxes().tolist()] == listed


@given(st.tuples(*[st.integers(1, 14)] * 3), st.tuples(*[st.integers(1, 9)] * 3))
def test_a_volume_is_covered_by_the_windows_that_its_boxes_list(
    size: tuple[int, int, int], window: tuple[int, int, int]
) -> None:
    grid = make_grid(size, window, 0.5)
    counts = np.zeros(size, int)
    for box, part in zip(grid.boxes().tolist(), grid, strict=True):
        assert tuple(box[:3]) == part.start_px
        assert (
            tuple(np.subtract(box[3:], box[:3])) == part.size_px == tuple(np.minimum(window, size))
        )
        counts[box[0] : box[3], box[1] : box[4], box[2] : box[5]] += 1
    assert counts.min() >= 1
    assert len(grid) == np.prod(grid.shape)


def test_a_half_overlap_moves_by_half_a_window_and_ends_at_the_edge() -> None:
    grid = make_grid((10, 4), 4, 0.5)
    assert [window.start_px[0] for window in grid] == [0, 2, 4, 6]
    assert WindowGrid((11, 4), (4, 4), (2, 2))[-1] == Window((7, 0), (4, 4))


@pytest.mark.parametrize(("window_px", "overlap"), [(0, 0.5), (4, -0.1), (4, 0.95)])
def test_a_window_or_overlap_that_makes_no_sense_is_refused(window_px: int, overlap: float) -> None:
    with pytest.raises(UsageError):
        make_grid((10, 10), window_px, overlap)


def test_sizes_are_read_in_pixels_and_metres() -> None:
    assert window_sizes_px([], (0.5, 0.5), (224, 224)) == ((224, 224),)
    in_metres = window_sizes_px(["600m", "100", 100, "0.2km"], (2.0, 2.0), (224, 224))
    assert in_metres == ((100, 100), (300, 300))
    assert window_sizes_px(["0.5mm"], (2.5e-7,) * 2, (224, 224)) == ((2000, 2000),)


def test_a_length_in_a_volume_is_as_long_on_every_axis() -> None:
    voxels_m = (0.75e-3, 0.75e-3, 5e-3)
    found = window_sizes_px(["60mm", "30x40x2"], voxels_m, (8, 8, 8))
    assert found == ((30, 40, 2), (80, 80, 12))


def test_a_window_with_another_number_of_sides_than_the_source_has_axes_is_refused() -> None:
    with pytest.raises(UsageError, match="has 3 sides, and the source 2 axes"):
        window_sizes_px(["4x4x4"], None, (8, 8))


@pytest.mark.parametrize(
    ("text", "pixel_size_m", "said"),
    [
        ("600m", None, "Name the window in pixels"),
        ("ten", 1.0, "cannot be read"),
        ("10.5", 1.0, "whole number"),
        ("-4", 1.0, "cannot be read"),
        ("0", 1.0, "whole number"),
        ("1m", 10.0, "smaller than a pixel"),
        ("5m", 10.0, "smaller than a pixel"),
        ("9" * 400, 1.0, "larger than any picture"),
        ("9" * 400 + "m", 1.0, "larger than any picture"),
    ],
)
def test_a_size_that_cannot_be_used_says_what_to_write(
    text: str, pixel_size_m: float | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        window_sizes_px([text], pixel_size_m and (pixel_size_m,) * 2, (224, 224))
