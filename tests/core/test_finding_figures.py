"""Figures of findings against scikit-learn, slow loops and hand computations."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from fieldguide.benchmarks.binary import auroc
from fieldguide.benchmarks.finding_figures import Judged, measure_findings
from fieldguide.benchmarks.finding_labels import read_truth
from fieldguide.benchmarks.reliability import measure_reliability
from fieldguide.benchmarks.shared_findings import jaccard, jaccard_at
from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import ClassEntry, ClassSet
from fieldguide.zeroshot.platt import best_threshold, fit_platt

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCORES = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=2,
                  max_size=40)  # fmt: skip


def entry(label: str, *aliases: str) -> ClassEntry:
    return ClassEntry(label=label, names=(label,), aliases=aliases, present=(f"{label}.",),
                      absent=(f"no {label}.",))  # fmt: skip


SET = ClassSet(
    name="signs", version="1", source="made here", licence="Apache-2.0", templates=("{}",),
    classes=(entry("Nodule"), entry("Effusion", "Pleural Effusion"), entry("Hernia")),
)  # fmt: skip


def judged(seed: int = 0, rows: int = 60) -> Judged:
    """Three findings; the second has unknown rows, the third no positive."""
    generator = np.random.default_rng(seed)
    truth = (generator.random((rows, 3)) < 0.4).astype(np.float64)
    truth[:, 2] = 0
    scores = truth + generator.normal(size=(rows, 3))
    truth[::7, 1] = np.nan
    groups = tuple(str(row // 3) for row in range(rows))
    return Judged(("a", "b", "c"), scores, scores > 0.5, truth, groups)


# ----------------------------------------------------------------------------- AUROC, F1 ...


@settings(deadline=None)  # scikit-learn's first call is slow
@given(SCORES)
def test_auroc_equals_scikit_learn_with_ties_and_weights(
    rows: list[tuple[int, bool, int]],
) -> None:
    scores = np.array([row[0] for row in rows], dtype=float)
    positives = np.array([row[1] for row in rows])
    weights = np.array([row[2] for row in rows])
    found = float(auroc(scores, positives, weights[None])[0])
    counted = weights > 0
    if len(set(positives[counted].tolist())) < 2:
        assert np.isnan(found)
    else:
        expected = roc_auc_score(positives, scores, sample_weight=weights)
        assert found == pytest.approx(expected, abs=1e-12)


def test_figures_equal_scikit_learn_on_the_rows_that_are_known() -> None:
    some = judged()
    each, _ = measure_findings(some)
    for place, label in enumerate(("a", "b")):
        known = ~np.isnan(some.truth[:, place])
        true, called = some.truth[known, place], some.called[known, place]
        expected = {
            "auroc": roc_auc_score(true, some.scores[known, place]),
            "f1": f1_score(true, called),
            "precision": precision_score(true, called),
            "recall": recall_score(true, called),
        }
        for name, value in expected.items():
            figure = each[label][name]
            assert figure is not None
            assert figure.value == pytest.approx(value, abs=1e-12)
            assert figure.low <= figure.value <= figure.high


def test_a_finding_that_no_row_has_is_not_averaged_and_the_mean_says_of_how_many() -> None:
    each, means = measure_findings(judged())
    assert all(figure is None for figure in each["c"].values())
    one, other = each["a"]["auroc"], each["b"]["auroc"]
    assert one is not None
    assert other is not None
    assert means["auroc"].of == 2
    assert means["auroc"].interval is not None
    assert means["auroc"].interval.value == pytest.approx((one.value + other.value) / 2)


def test_a_finding_that_every_row_has_has_an_f1_and_no_auroc() -> None:
    truth, scores = np.ones((4, 1)), np.array([[0.1], [0.2], [0.8], [0.9]])
    each, means = measure_findings(Judged(("a",), scores, scores > 0.5, truth, tuple("abcd")))
    assert each["a"]["auroc"] is None
    assert each["a"]["f1"] is not None
    assert each["a"]["f1"].value == pytest.approx(2 / 3)  # half found, none wrong: 2 * .5 / 1.5
    assert means["auroc"].interval is None
    assert means["auroc"].of == 0


def test_intervals_resample_groups_and_not_rows() -> None:
    """Ten copies of each row are no more evidence than one where they are of one group."""
    few = judged(rows=30)
    copies = [np.repeat(part, 10, axis=0) for part in (few.scores, few.called, few.truth)]
    groups = tuple(np.repeat(few.groups, 10))
    many = Judged(few.labels, copies[0], copies[1].astype(bool), copies[2], groups)
    one, other = measure_findings(few)[0]["a"]["auroc"], measure_findings(many)[0]["a"]["auroc"]
    assert one is not None
    assert other is not None
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def test_the_interval_of_a_macro_mean_is_that_of_a_slow_bootstrap() -> None:
    some = judged(rows=45)
    mean = measure_findings(some)[1]["auroc"].interval
    assert mean is not None
    generator = np.random.default_rng(5)
    groups = np.array(some.groups)
    names = np.unique(groups)
    drawn = []
    for _ in range(400):
        picked = generator.choice(names, len(names))
        rows = np.concatenate([np.flatnonzero(groups == name) for name in picked])
        values = []
        for place in (0, 1):
            true, score = some.truth[rows, place], some.scores[rows, place]
            known = ~np.isnan(true)
            if len(set(true[known])) == 2:
                values.append(roc_auc_score(true[known], score[known]))
        drawn.append(np.mean(values))
    low, high = np.percentile(drawn, (2.5, 97.5))
    assert (mean.low, mean.high) == pytest.approx((low, high), abs=0.03)


# ----------------------------------------------------------------------------- labels


def test_labels_are_read_by_the_name_of_their_column_in_any_spelling() -> None:
    rows: list[dict[str, Any]] = [
        {"path": "a", "nodule": 1, "Pleural_Effusion": 0},
        {"path": "b", "nodule": "", "Pleural_Effusion": 1.0},
        {"path": "c", "nodule": None, "Pleural_Effusion": 1},
    ]
    truth = read_truth(rows, SET, None)
    assert truth.labels == ("Nodule", "Effusion")
    assert truth.without_column == ("Hernia",)
    expected = np.array([[1, 0], [np.nan, 1], [np.nan, 1]])
    assert np.array_equal(truth.values, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("uncertain", "expected"), [("ignore", np.nan), ("positive", 1.0), ("negative", 0.0)]
)
def test_an_uncertain_label_counts_as_the_user_says(uncertain: str, expected: float) -> None:
    rows = [{"Nodule": -1}, {"Nodule": 1}]
    truth = read_truth(rows, SET, uncertain)
    assert np.array_equal(truth.values[:, 0], [expected, 1.0], equal_nan=True)
    assert truth.uncertain.tolist() == [1]


def test_uncertain_labels_of_which_nothing_is_said_are_refused() -> None:
    with pytest.raises(UsageError, match=r"1 labels are -1.*--uncertain"):
        read_truth([{"Nodule": -1}], SET, None)


@pytest.mark.parametrize("value", [2, "yes", 0.5, [1]])
def test_a_value_that_is_no_label_is_refused_by_row_and_column(value: object) -> None:
    rows = [{"Nodule": 0}, {"Nodule": value}]
    with pytest.raises(UsageError, match=r"Row 2 has a 'Nodule' that is none of 1, 0, -1"):
        read_truth(rows, SET, None)


def test_a_manifest_without_any_finding_says_which_columns_are_looked_for() -> None:
    with pytest.raises(UsageError, match="such as Nodule, Effusion, Hernia"):
        read_truth([{"path": "a", "label": "x"}], SET, None)


def test_two_columns_of_one_finding_are_refused() -> None:
    with pytest.raises(UsageError, match="both of the finding 'Effusion'"):
        read_truth([{"Effusion": 1, "Pleural Effusion": 0}], SET, None)


# ----------------------------------------------------------------------------- reliability


def test_the_brier_score_equals_scikit_learn_on_what_is_known() -> None:
    generator = np.random.default_rng(1)
    claims, truth = generator.random((50, 2)), (generator.random((50, 2)) < 0.5).astype(float)
    truth[:10, 1] = np.nan
    found = measure_reliability(claims, truth, [str(row) for row in range(50)])
    known = ~np.isnan(truth)
    assert found.brier.value == pytest.approx(brier_score_loss(truth[known], claims[known]))
    assert found.answers == 90


def test_the_calibration_error_by_hand() -> None:
    # 0.9 three times, two right: 0.9 - 2/3; 0.2 once, wrong to be sure of: 0.2 - 1 = 0.8
    claims = np.array([[0.9], [0.9], [0.9], [0.2]])
    truth = np.array([[1.0], [1.0], [0.0], [1.0]])
    found = measure_reliability(claims, truth, list("abcd"))
    assert found.calibration_error.value == pytest.approx((3 * (0.9 - 2 / 3) + 0.8) / 4)


# ----------------------------------------------------------------------------- Platt scaling


def softened(positives: NDArray[np.bool_]) -> tuple[float, float]:
    count, others = int(positives.sum()), int((~positives).sum())
    return (count + 1) / (count + 2), 1 / (others + 2)


@pytest.mark.parametrize("seed", range(4))
def test_platt_scaling_equals_a_weighted_logistic_regression(seed: int) -> None:
    """Softened targets are rows of both kinds, weighted: an independent way to the same loss."""
    generator = np.random.default_rng(seed)
    positives = generator.random(80) < 0.3
    scores = 30 * positives + generator.normal(scale=20, size=80) + 100
    high, low = softened(positives)
    share = np.where(positives, high, low)
    regression = LogisticRegression(C=1e8, tol=1e-10, max_iter=10_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scaled = (scores - 100) / 20
        regression.fit(np.tile(scaled, 2)[:, None], np.repeat([1, 0], 80),
                       sample_weight=np.concatenate([share, 1 - share]))  # fmt: skip
    expected = regression.predict_proba(scaled[:, None])[:, 1]
    found = fit_platt(scores, positives).probabilities(scores)
    assert np.allclose(found, expected, atol=2e-4)


def test_scores_that_point_the_wrong_way_become_the_share_of_positives() -> None:
    positives = np.arange(40) < 10
    line = fit_platt(-positives.astype(float), positives)
    assert line.slope == 0
    high, low = softened(positives)
    assert line.probabilities(np.array([3.0]))[0] == pytest.approx(
        (10 * high + 30 * low) / 40, abs=1e-4
    )


def test_scores_without_any_spread_become_the_share_of_positives() -> None:
    positives = np.arange(40) < 20
    found = fit_platt(np.full(40, 7.0), positives).probabilities(np.array([7.0]))
    assert found[0] == pytest.approx(0.5, abs=1e-4)


def test_a_perfect_separation_never_claims_certainty() -> None:
    positives = np.arange(12) < 6
    found = fit_platt(np.where(positives, 5.0, -5.0), positives).probabilities(np.array([5.0]))
    assert found[0] == pytest.approx(7 / 8, abs=1e-3)  # (6 + 1) / (6 + 2)


@settings(deadline=None)  # scikit-learn's first call is slow
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=30))
def test_the_best_threshold_reaches_the_highest_f1_of_all_thresholds(
    rows: list[tuple[int, bool]],
) -> None:
    claims = np.array([row[0] / 8 for row in rows])
    positives = np.array([row[1] for row in rows])
    if not positives.any():
        return
    found = f1_score(positives, claims >= best_threshold(claims, positives))
    every = [f1_score(positives, claims >= claim) for claim in claims]
    assert found == pytest.approx(max(every))


# ----------------------------------------------------------------------------- retrieval


def test_the_jaccard_index_of_two_findings_and_one_of_them_is_a_half() -> None:
    one, other = np.array([[1, 1, 0], [0, 0, 0]]) > 0, np.array([[1, 0, 0], [0, 0, 0]]) > 0
    found = jaccard(one, other)
    assert found[0].tolist() == [0.5, 0.0]
    assert found[1, 0] == 0
    assert np.isnan(found[1, 1])


def test_map_at_k_by_hand() -> None:
    gallery = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1]]) > 0
    queries = np.array([[1, 1, 0], [0, 0, 1]]) > 0
    similarity = np.array([[0.1, 0.9, 0.8, 0.2], [0.9, 0.8, 0.1, 0.2]])
    # the first: c (1/2), d (0), a (1); the second: a (0), d (1), c (0); b has no finding
    found = jaccard_at(similarity, queries, gallery, (1, 2, 3))
    assert found[1].tolist() == [0.5, 0]
    assert found[2].tolist() == [0.25, 0.5]
    assert found[3] == pytest.approx([0.5, 1 / 3])


def test_a_query_is_left_out_of_its_own_hits_by_minus_infinity() -> None:
    own = np.eye(3, dtype=bool)
    similarity = np.where(own, -np.inf, 0.5)
    assert jaccard_at(similarity, own, own, (2,))[2].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="2 hits"):
        jaccard_at(similarity, own, own, (3,))
