"""Figures of a labelled run against hand computations, and intervals against a slow bootstrap."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.benchmarks import intervals
from fieldguide.benchmarks.classification import (
    evaluate_predictions,
    expected_calibration_error,
    macro_recall,
    reliability_bins,
)
from fieldguide.benchmarks.intervals import Interval, grouped_bootstrap
from fieldguide.errors import UsageError
from fieldguide.results import Guess, Prediction, Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LABELS = ("a", "b", "c")
TRUTHS = "aaabbc"
ANSWERS = "aabbcc"
CLAIMS = (0.9, 0.9, 0.9, 0.5, 0.5, 1.0)


def prediction(truth: Any, answer: str, claim: float = 0.5, **metadata: Any) -> Prediction:
    rest = (1 - claim) / (len(LABELS) - 1)
    others = [Guess(label, rest) for label in LABELS if label != answer]
    guesses = (Guess(answer, claim), *others)
    return Prediction("x.jpg", guesses, "ok", metadata={"label": truth, **metadata})


@pytest.fixture
def predictions() -> Predictions:
    """Six rows: accuracy 4/6; a is found 2 of 3, b 1 of 2, c 1 of 1."""
    rows = [prediction(t, a, p) for t, a, p in zip(TRUTHS, ANSWERS, CLAIMS, strict=True)]
    rows.append(Prediction("y.jpg", (), "refused", "no data", metadata={"label": "a"}))
    return Predictions(rows, {"device": "cpu"})


def test_accuracy_is_the_share_of_right_answers(predictions: Predictions) -> None:
    found = evaluate_predictions(predictions, label_column="label")
    assert found.accuracy.value == pytest.approx(4 / 6)
    assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high
    assert (found.classified, found.unclassified) == (6, 1)


def test_macro_recall_is_the_mean_over_classes(predictions: Predictions) -> None:
    found = evaluate_predictions(predictions, label_column="label")
    assert found.macro_recall.value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


def test_figures_of_each_class(predictions: Predictions) -> None:
    rows = evaluate_predictions(predictions, label_column="label").records()
    expected = [
        {"label": "a", "support": 3, "precision": 1, "recall": 2 / 3, "f1": 0.8},
        {"label": "b", "support": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5},
        {"label": "c", "support": 1, "precision": 0.5, "recall": 1, "f1": 2 / 3},
    ]
    assert [row.pop("label") for row in rows] == [row.pop("label") for row in expected]
    for row, wanted in zip(rows, expected, strict=True):
        assert row == pytest.approx(wanted)


def test_macro_f1_is_the_mean_over_classes(predictions: Predictions) -> None:
    found = evaluate_predictions(predictions, label_column="label")
    assert found.macro_f1 == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


def test_a_class_that_does_not_occur_is_not_averaged() -> None:
    rows = Predictions([prediction("a", "a"), prediction("b", "a")], {})
    found = evaluate_predictions(rows, label_column="label")
    assert found.macro_recall.value == pytest.approx(1 / 2)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0) / 2)
    assert [row.support for row in found.per_class] == [1, 1, 0]


def test_rows_of_the_confusion_are_the_truth(predictions: Predictions) -> None:
    found = evaluate_predictions(predictions, label_column="label")
    assert found.labels == LABELS
    assert found.confusion.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_top_five_counts_the_fifth_and_not_the_sixth() -> None:
    guesses = tuple(Guess(label, (10 - n) / 45) for n, label in enumerate("uvwxyz"))
    rows = [Prediction("p", guesses, "ok", metadata={"label": label}) for label in "uyzz"]
    found = evaluate_predictions(Predictions(rows, {}), label_column="label")
    assert found.top5_accuracy.value == pytest.approx(2 / 4)
    assert found.accuracy.value == pytest.approx(1 / 4)


def test_the_summary_is_plain_numbers(predictions: Predictions) -> None:
    found = evaluate_predictions(predictions, label_column="label").summary()
    assert found["accuracy"]["value"] == pytest.approx(4 / 6)
    assert found["confusion"] == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert found["labels"] == ["a", "b", "c"]


def test_a_number_as_true_label_is_compared_as_text() -> None:
    rows = [Prediction("p", (Guess("7", 0.6), Guess("8", 0.4)), "ok", metadata={"label": 7})]
    assert evaluate_predictions(Predictions(rows, {}), label_column="label").accuracy.value == 1


# ----------------------------------------------------------------------------- calibration


def test_calibration_error_by_hand(predictions: Predictions) -> None:
    # 0.9: three rows, two right; 0.5: two rows, one right; 1.0: one row, right.
    expected = (3 * abs(0.9 - 2 / 3) + 2 * abs(0.5 - 0.5) + 1 * 0) / 6
    found = evaluate_predictions(predictions, label_column="label")
    assert found.expected_calibration_error == pytest.approx(expected)
    assert [row.count for row in found.reliability] == [2, 3, 1]


@given(st.lists(st.tuples(st.floats(0.001, 1), st.booleans()), min_size=1, max_size=60))
def test_calibration_error_equals_a_slow_loop(rows: list[tuple[float, bool]]) -> None:
    members = defaultdict(list)
    for claim, right in rows:
        place = next(n for n in range(15) if n == 14 or claim * 15 <= n + 1)  # (n/15, (n+1)/15]
        members[place].append((claim, right))
    expected = 0.0
    for some in members.values():
        claimed = sum(claim for claim, _ in some) / len(some)
        true = sum(right for _, right in some) / len(some)
        expected += abs(claimed - true) * len(some) / len(rows)
    bins = reliability_bins(
        np.array([claim for claim, _ in rows]), np.array([float(right) for _, right in rows])
    )
    assert expected_calibration_error(bins) == pytest.approx(expected, abs=1e-9)
    assert sum(row.count for row in bins) == len(rows)


def test_a_perfectly_calibrated_classifier_has_no_error() -> None:
    claimed = np.repeat([0.25, 0.75], 400)
    right = np.concatenate([np.arange(400) % 4 == 0, np.arange(400) % 4 != 0]).astype(float)
    assert expected_calibration_error(reliability_bins(claimed, right)) == pytest.approx(0)


# ----------------------------------------------------------------------------- refusals


def test_a_true_label_that_was_not_offered_is_a_usage_error() -> None:
    rows = Predictions([prediction("a", "a"), prediction("zebra", "b")], {})
    with pytest.raises(UsageError, match=r"'zebra'.*not among those offered: a, b, c"):
        evaluate_predictions(rows, label_column="label")


def test_another_label_column_than_there_is_is_a_usage_error(predictions: Predictions) -> None:
    with pytest.raises(UsageError, match="--label-column"):
        evaluate_predictions(predictions, label_column="klass")


def test_a_row_without_a_group_is_a_usage_error() -> None:
    rows = Predictions([prediction("a", "a", slide=1), prediction("b", "b")], {})
    with pytest.raises(UsageError, match=r"1 rows have no 'slide', the first is x\.jpg"):
        evaluate_predictions(rows, label_column="label", group_column="slide")


def test_nothing_classified_is_a_usage_error() -> None:
    refused = Prediction("y.jpg", (), "refused", "no data", metadata={"label": "a"})
    for rows in ([], [refused]):
        with pytest.raises(UsageError, match="nothing to evaluate"):
            evaluate_predictions(Predictions(rows, {}), label_column="label")


# ----------------------------------------------------------------------------- intervals


def slow_bootstrap(
    right: Sequence[float],
    groups: Sequence[str],
    figure: Callable[[list[int]], float],
    resamples: int = 3000,
) -> tuple[float, float]:
    """Draw whole groups with replacement, one by one, and return the 2.5 and 97.5 percentiles."""
    generator = np.random.default_rng(12345)
    members = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    names = sorted(members)
    figures = []
    for _ in range(resamples):
        drawn = [names[place] for place in generator.integers(0, len(names), len(names))]
        figures.append(figure([row for name in drawn for row in members[name]]))
    low, high = np.percentile(figures, [2.5, 97.5])
    return float(low), float(high)


def shares(sums: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(sums[:, 0] / sums[:, 1])


def share(right: np.ndarray[Any, Any], groups: Sequence[str]) -> Interval:
    return grouped_bootstrap(np.stack([right, np.ones_like(right)], axis=1), groups, shares)


@pytest.mark.parametrize("sizes", [[1] * 80, [1, 2, 3, 4, 5] * 8, [20] * 6, [30, *[2] * 40]])
def test_the_interval_of_a_share_equals_a_slow_bootstrap(sizes: list[int]) -> None:
    generator = np.random.default_rng(7)
    groups = [str(n) for n, size in enumerate(sizes) for _ in range(size)]
    right = (generator.random(len(groups)) < 0.7).astype(float)
    low, high = slow_bootstrap(
        right.tolist(), groups, lambda rows: sum(right[row] for row in rows) / len(rows)
    )
    found = share(right, groups)
    assert found.value == pytest.approx(right.mean())
    assert found.low == pytest.approx(low, abs=0.025)
    assert found.high == pytest.approx(high, abs=0.025)


def test_the_interval_of_macro_recall_equals_a_slow_bootstrap() -> None:
    generator = np.random.default_rng(8)
    truths = list("aaaaaaaabbbbc" * 6)
    groups = [str(n // 3) for n in range(len(truths))]
    right = (generator.random(len(truths)) < 0.6).astype(float)

    def figure(rows: list[int]) -> float:
        recalls = []
        for label in "abc":
            own = [right[row] for row in rows if truths[row] == label]
            if own:
                recalls.append(sum(own) / len(own))
        return sum(recalls) / len(recalls)

    low, high = slow_bootstrap(right.tolist(), groups, figure, resamples=2000)
    found = macro_recall(truths, right, groups)
    assert found.value == pytest.approx(figure(list(range(len(truths)))))
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)


def test_the_interval_of_single_rows_is_that_of_a_binomial() -> None:
    right = np.repeat([1.0, 0.0], [1200, 800])
    half_width = 1.96 * math.sqrt(0.6 * 0.4 / 2000)
    found = share(right, [str(n) for n in range(2000)])
    assert found.low == pytest.approx(0.6 - half_width, abs=0.004)
    assert found.high == pytest.approx(0.6 + half_width, abs=0.004)


def test_copies_in_one_group_are_no_evidence() -> None:
    right = (np.random.default_rng(9).random(50) < 0.7).astype(float)
    names = [f"{n:02}" for n in range(50)]
    once = share(right, names)
    ten_times = share(np.repeat(right, 10), [name for name in names for _ in range(10)])
    assert (ten_times.low, ten_times.high) == pytest.approx((once.low, once.high))


def coverage(group_sd: float, *, grouped: bool) -> float:
    """Return how often the 95 % interval holds the true share, over simulated data sets."""
    generator = np.random.default_rng(10)
    per_group, groups, hits, trials = 5, 50, 0, 200
    for _ in range(trials):
        chances = np.clip(0.5 + group_sd * generator.uniform(-1, 1, groups), 0, 1)
        right = (generator.random((groups, per_group)) < chances[:, None]).astype(float).ravel()
        names = [str(n // per_group if grouped else n) for n in range(groups * per_group)]
        found = share(right, names)
        hits += found.low <= 0.5 <= found.high
    return hits / trials


def test_the_interval_covers_the_truth_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 300)
    assert 0.90 <= coverage(0.0, grouped=True) <= 0.99


def test_only_the_grouped_interval_covers_the_truth_of_grouped_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 300)
    assert 0.90 <= coverage(0.5, grouped=True) <= 0.99
    assert coverage(0.5, grouped=False) < 0.90


def test_one_group_has_no_width() -> None:
    found = share(np.array([1.0, 0.0, 1.0]), ["a", "a", "a"])
    assert (found.low, found.high) == (found.value, found.value)


def test_the_same_data_give_the_same_interval() -> None:
    right = (np.random.default_rng(9).random(50) < 0.7).astype(float)
    names = [str(n) for n in range(50)]
    assert share(right, names) == share(right, names)


def test_an_evaluation_resamples_by_the_group_column() -> None:
    rows = [prediction("a", "a" if n < 30 else "b", slide=n // 10) for n in range(60)]
    found = evaluate_predictions(Predictions(rows, {}), label_column="label", group_column="slide")
    alone = evaluate_predictions(Predictions(rows, {}), label_column="label")
    assert (found.groups, alone.groups) == (6, 60)
    assert found.accuracy.high - found.accuracy.low > 2 * (alone.accuracy.high - alone.accuracy.low)
