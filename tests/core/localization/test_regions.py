"""The choice of regions against a slow greedy search, and heat maps against a slow blend."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import UsageError
from fieldguide.localization.grid import WindowGrid
from fieldguide.localization.heat import heat_map
from fieldguide.localization.queries import ContrastScorer, CosineScorer, query_prompts
from fieldguide.localization.regions import best_places


def pixels(grid: WindowGrid, place: int) -> set[tuple[int, int]]:
    window = grid[place]
    (row, column), (rows, columns) = window.start_px, window.size_px
    return set(itertools.product(range(row, row + rows), range(column, column + columns)))


def slow_choice(grid: WindowGrid, scores: list[float], top: int, threshold: float) -> list[int]:
    """Take the best again and again, counting common pixels one by one."""
    chosen: list[int] = []
    for place in sorted(range(len(scores)), key=lambda place: -scores[place]):
        own = pixels(grid, place)
        common = [len(own & pixels(grid, other)) / len(own) for other in chosen]
        if scores[place] >= threshold and len(chosen) < top and max(common, default=0) <= 0.2:
            chosen.append(place)
    return chosen


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 4), st.integers(1, 8))
def test_regions_are_those_of_a_slow_greedy_search(
    seed: int, window_px: int, stride_px: int, top: int
) -> None:
    grid = WindowGrid((13, 11), (window_px,) * 2, (stride_px,) * 2)
    scores = np.random.default_rng(seed).permutation(len(grid)).astype(np.float32)
    threshold = float(scores.mean())
    found = best_places(scores, grid.boxes(), top, threshold)
    assert found == slow_choice(grid, scores.tolist(), top, threshold)


def test_windows_without_a_score_are_never_regions() -> None:
    grid = WindowGrid((2, 6), (2, 2), (2, 2))
    scores = np.array([np.nan, 0.5, np.nan], np.float32)
    assert best_places(scores, grid.boxes(), 3, -2.0) == [1]


def test_neighbours_of_a_half_overlap_are_one_region() -> None:
    grid = WindowGrid((8, 8), (4, 4), (2, 2))
    scores = np.zeros(len(grid), np.float32)
    scores[4] = 1.0  # row 1, column 1 of 3 x 3: all others share a quarter or more with it
    assert best_places(scores, grid.boxes(), 9, -2.0) == [4]


def slow_heat(grids: list[WindowGrid], scores: list[np.ndarray], *point: float) -> float:
    """Return the weighted mean of the windows over one point, window by window."""
    total = weights = 0.0
    for grid, values in zip(grids, scores, strict=True):
        for window, value in zip(grid, values, strict=True):
            weight = 1.0
            for middle, start, length in zip(point, window.start_px, window.size_px, strict=True):
                weight *= max(0.0, 1 - abs(middle - (start + length / 2)) / (length / 2))
            if not math.isnan(value):
                total, weights = total + weight * value, weights + weight
    return total / weights if weights else math.nan


def test_heat_is_the_blend_of_all_windows_over_a_cell() -> None:
    grids = [WindowGrid((20, 17), (6, 6), (3, 3)), WindowGrid((20, 17), (12, 12), (6, 6))]
    generator = np.random.default_rng(3)
    scores = [generator.random(len(grid)).astype(np.float32) for grid in grids]
    scores[0][5:20] = np.nan
    heat = heat_map(grids, scores)
    assert heat.shape == (7, 6)  # 20 / 3 and 17 / 3, rounded
    for row, column in itertools.product(range(7), range(6)):
        expected = slow_heat(grids, scores, (row + 0.5) * 20 / 7, (column + 0.5) * 17 / 6)
        assert heat[row, column] == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_heat_of_a_volume_is_the_blend_of_all_windows_over_a_cell() -> None:
    grid = WindowGrid((12, 9, 5), (6, 4, 2), (3, 2, 1))
    scores = np.random.default_rng(4).random(len(grid)).astype(np.float32)
    scores[7:30] = np.nan
    heat = heat_map([grid], [scores])
    assert heat.shape == (4, 4, 5)  # 12 / 3, 9 / 2 and 5 / 1, rounded to even
    for cell in np.ndindex(heat.shape):
        middle = [(n + 0.5) * s / c for n, s, c in zip(cell, (12, 9, 5), heat.shape, strict=True)]
        expected = slow_heat([grid], [scores], *middle)
        assert heat[cell] == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_regions_of_a_volume_do_not_share_more_than_a_fifth() -> None:
    grid = WindowGrid((9, 9, 4), (4, 4, 2), (2, 2, 1))
    scores = np.random.default_rng(5).permutation(len(grid)).astype(np.float32)
    found = best_places(scores, grid.boxes(), 50, -2.0)
    marks = []
    for place in found:
        mark, window = np.zeros(grid.size_px, bool), grid[place]
        mark[
            tuple(slice(s, s + n) for s, n in zip(window.start_px, window.size_px, strict=True))
        ] = 1
        marks.append(mark)
    for one, other in itertools.combinations(marks, 2):
        assert (one & other).sum() <= 0.2 * min(one.sum(), other.sum())
    assert found[0] == int(scores.argmax())


def test_equal_scores_make_an_even_map_without_seams() -> None:
    grid = WindowGrid((101, 67), (16, 16), (8, 8))
    heat = heat_map([grid], [np.full(len(grid), 0.25, np.float32)])
    assert np.allclose(heat, 0.25, atol=1e-6)


def test_cells_without_data_are_nan_and_others_are_not() -> None:
    grid = WindowGrid((4, 16), (4, 4), (4, 4))
    scores = np.array([1, 1, np.nan, np.nan], np.float32)
    heat = heat_map([grid], [scores])
    assert np.isfinite(heat[0]).tolist() == [True, True, False, False]


def test_a_contrast_is_the_softmax_over_one_query_and_all_others() -> None:
    generator = np.random.default_rng(0)
    windows, wanted, others = (
        v / np.linalg.norm(v, axis=1, keepdims=True)
        for v in (generator.normal(size=(n, 8)).astype(np.float32) for n in (5, 2, 3))
    )
    scores = ContrastScorer(("a", "b"), wanted, others, 7.0).scores(windows)
    cosines = CosineScorer(("a", "b"), wanted).scores(windows)
    for row, query in itertools.product(range(5), range(2)):
        mine = math.exp(7 * float(cosines[row, query]))
        rest = sum(math.exp(7 * float(windows[row] @ other)) for other in others)
        assert scores[row, query] == pytest.approx(mine / (mine + rest), rel=1e-5)


def test_a_text_stands_in_every_template() -> None:
    found = query_prompts(["solar farm"], None, None, ("a photo of {}.", "{}"))
    assert found == {"solar farm": ["a photo of solar farm.", "solar farm"]}


@pytest.mark.parametrize("texts", [[], [""], ["a", " "], ["a", "a"]])
def test_empty_and_doubled_texts_are_refused(texts: list[str]) -> None:
    with pytest.raises(UsageError):
        query_prompts(texts, None, None, ("{}",))
