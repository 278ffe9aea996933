"""Squares around boxes: they hold the box, stay in the picture, and grow with the margin."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.data.crop_geometry import check_margin, crop_window, enlarged_to_image
from fieldguide.errors import UsageError
from fieldguide.samples import Window

Case = tuple[tuple[int, int, int, int], tuple[int, int]]
Cut = Callable[[tuple[int, int, int, int], tuple[int, int], float], Window]

CUTS = st.sampled_from([crop_window, enlarged_to_image])
SHARES = st.floats(0, 1)


@st.composite
def boxes_in_pictures(draw: st.DrawFn) -> Case:
    height, width = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    right, bottom = draw(st.integers(left, width - 1)), draw(st.integers(top, height - 1))
    return (left, top, right, bottom), (height, width)


def holds(window: Window, pixels: tuple[int, int, int, int]) -> bool:
    (row, column), (height, width) = window.start_px, window.size_px
    left, top, right, bottom = pixels
    return column <= left and row <= top and column + width > right and row + height > bottom


def is_in(inner: Window, outer: Window) -> bool:
    return all(
        a >= c and a + b <= c + d
        for a, b, c, d in zip(
            inner.start_px, inner.size_px, outer.start_px, outer.size_px, strict=True
        )
    )


@given(CUTS, boxes_in_pictures(), SHARES)
def test_a_crop_holds_its_box_and_stays_in_the_picture(cut: Cut, case: Case, margin: float) -> None:
    pixels, size_px = case
    window = cut(pixels, size_px, margin)
    assert holds(window, pixels)
    assert is_in(window, Window((0, 0), size_px))


@given(CUTS, boxes_in_pictures(), st.tuples(SHARES, SHARES))
def test_a_larger_margin_holds_the_smaller_crop(
    cut: Cut, case: Case, margins: tuple[float, float]
) -> None:
    small, large = sorted(margins)
    assert is_in(cut(*case, small), cut(*case, large))


@given(boxes_in_pictures(), st.floats(0, 3))
def test_a_crop_is_a_square_wherever_the_picture_is_wide_enough(case: Case, margin: float) -> None:
    (left, top, right, bottom), size_px = case
    side = math.ceil(max(right - left + 1, bottom - top + 1) * (1 + 2 * margin))
    found = crop_window(*case, margin).size_px
    assert found == (min(side, size_px[0]), min(side, size_px[1]))


def test_a_box_at_the_border_moves_its_square_inside() -> None:
    assert crop_window((0, 0, 9, 4), (50, 50), 0.5) == Window((0, 0), (20, 20))
    assert crop_window((45, 40, 49, 49), (50, 50), 0.0) == Window((40, 40), (10, 10))


def test_a_margin_of_one_to_the_image_is_all_of_it() -> None:
    assert enlarged_to_image((3, 4, 5, 6), (20, 30), 1.0) == Window((0, 0), (20, 30))


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf, 11])
def test_a_margin_that_is_no_share_is_refused(margin: float) -> None:
    with pytest.raises(UsageError, match="margin"):
        check_margin(margin)
