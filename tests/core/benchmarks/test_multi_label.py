"""Average precision by hand, against scikit-learn, and against a slow sum over ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from fieldguide.benchmarks.multi_label import average_precision, figures
from fieldguide.errors import UsageError


def precision_of(scores: list[float], positives: list[int], weights: list[float]) -> float:
    found = average_precision(
        np.array(scores), np.array(positives, dtype=bool), np.array([weights], dtype=float)
    )
    return float(found[0])


def test_a_case_by_hand() -> None:
    # ranks: positive, negative, positive: (1/1 + 2/3) / 2
    found = precision_of([0.9, 0.8, 0.7], [1, 0, 1], [1, 1, 1])
    assert found == pytest.approx((1 + 2 / 3) / 2)


def test_equal_scores_are_one_rank() -> None:
    assert precision_of([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 0], [1] * 4) == pytest.approx(0.25)


def test_a_class_without_positives_has_no_figure() -> None:
    assert np.isnan(precision_of([0.1, 0.2], [0, 0], [1, 1]))
    assert np.isnan(precision_of([0.1, 0.2], [1, 0], [0, 1]))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=1, max_size=30
    ).filter(lambda rows: any(positive and weight for _, positive, weight in rows))
)
def test_it_is_that_of_scikit_learn_with_ties_and_weights(
    rows: list[tuple[int, bool, int]],
) -> None:
    scores, positives, weights = zip(*rows, strict=True)
    expected = average_precision_score(positives, scores, sample_weight=weights)
    found = precision_of(list(map(float, scores)), list(map(int, positives)), list(weights))
    assert found == pytest.approx(expected)


def test_a_weight_of_two_is_an_image_that_is_there_twice() -> None:
    twice = precision_of([0.9, 0.8, 0.7], [1, 0, 1], [1, 2, 1])
    assert twice == pytest.approx(precision_of([0.9, 0.8, 0.8, 0.7], [1, 0, 0, 1], [1] * 4))


def test_the_main_figure_is_the_mean_over_classes_that_occur() -> None:
    scores = np.array([[0.9, 0.1, 0.5], [0.1, 0.9, 0.5], [0.5, 0.5, 0.5]])
    positives = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0]], dtype=bool)
    found = figures(scores, positives, ("a", "b", "never"))
    assert [(row.metric, row.part) for row in found] == [
        ("map", ""), ("average_precision", "a"), ("average_precision", "b"),
    ]  # fmt: skip
    assert [row.value for row in found] == pytest.approx([75, 100, 50])
    assert found[0].low is not None and found[0].low <= 75 <= (found[0].high or 0)


def test_images_without_any_label_are_refused() -> None:
    with pytest.raises(UsageError, match="None of the images has a label"):
        figures(np.zeros((2, 2)), np.zeros((2, 2), dtype=bool), ("a", "b"))
