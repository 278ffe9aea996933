"""Average precision, precision and recall of one ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score

from fieldguide.benchmarks.ranking import (
    average_precision,
    precision_at,
    recall_at,
    relevant_ranks,
)


def test_the_figures_of_a_ranking_by_hand() -> None:
    relevant = np.array([False, True, False, True, False, True])
    ranks = relevant_ranks(np.array([6.0, 5, 4, 3, 2, 1]), relevant)
    assert ranks.tolist() == [2, 4, 6]
    assert average_precision(ranks) == pytest.approx((1 / 2 + 2 / 4 + 3 / 6) / 3)
    assert precision_at(ranks, 5) == pytest.approx(2 / 5)
    assert recall_at(ranks, 5) == pytest.approx(2 / 3)


def test_of_equal_scores_the_wrong_ones_come_first() -> None:
    ranks = relevant_ranks(np.zeros(4), np.array([True, False, True, False]))
    assert ranks.tolist() == [3, 4]


@given(hnp.arrays(np.float64, 30, elements=st.floats(-1, 1), unique=True), st.integers(1, 29))
def test_average_precision_equals_that_of_scikit_learn(
    scores: np.ndarray[tuple[int], np.dtype[np.float64]], right: int
) -> None:
    relevant = np.arange(30) < right
    expected = average_precision_score(relevant, scores)
    assert average_precision(relevant_ranks(scores, relevant)) == pytest.approx(expected)
