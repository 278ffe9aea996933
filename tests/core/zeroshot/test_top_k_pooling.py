"""Pooling of window scores against hand cases, a slow loop, and what must hold for any scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fieldguide.errors import UsageError
from fieldguide.zeroshot.top_k_pooling import MeanOfAll, TopK

SCORES = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(2, 4)),
    elements=st.floats(-100, 100, width=32),
)
HAND = np.array([[1.0, 6.0], [5.0, 2.0], [3.0, 4.0], [9.0, 0.0]])


@pytest.mark.parametrize(
    ("k", "expected"),
    [(1, [9.0, 6.0]), (2, [7.0, 5.0]), (3, [17 / 3, 4.0]), (4, [4.5, 3.0]), (100, [4.5, 3.0])],
)
def test_the_best_k_of_each_class_are_averaged(k: int, expected: list[float]) -> None:
    assert TopK(k).pool(HAND).tolist() == pytest.approx(expected)


def test_a_small_tumour_wins_by_its_best_windows_and_loses_by_the_mean() -> None:
    tissue = np.tile([0.0, 1.0], (98, 1))  # tumour, normal
    slide = np.concatenate([tissue, [[3.0, 0.0], [4.0, 0.0]]])
    assert TopK(2).pool(slide).argmax() == 0
    assert MeanOfAll().pool(slide).argmax() == 1


@given(SCORES, st.integers(1, 15))
def test_it_agrees_with_a_loop_over_sorted_scores(scores: np.ndarray, k: int) -> None:
    expected = []
    for column in range(scores.shape[1]):
        values = sorted((float(value) for value in scores[:, column]), reverse=True)[:k]
        expected.append(sum(values) / len(values))
    assert TopK(k).pool(scores) == pytest.approx(expected, abs=1e-9)


@given(SCORES, st.integers(1, 15), st.randoms(use_true_random=False))
def test_the_order_of_windows_does_not_matter(scores: np.ndarray, k: int, random: object) -> None:
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]  # a random.Random of hypothesis
    assert TopK(k).pool(scores[order]) == pytest.approx(TopK(k).pool(scores), abs=1e-9)


@given(SCORES)
def test_one_is_the_highest_score_and_all_are_the_mean(scores: np.ndarray) -> None:
    assert TopK(1).pool(scores).tolist() == scores.max(axis=0).tolist()
    assert TopK(len(scores)).pool(scores) == pytest.approx(scores.mean(axis=0), abs=1e-9)
    assert MeanOfAll().pool(scores) == pytest.approx(scores.mean(axis=0), abs=1e-9)


def test_none_is_no_pooling() -> None:
    with pytest.raises(UsageError, match="1 or more"):
        TopK(0)
