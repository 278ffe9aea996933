"""AP@k, nDCG@k and reciprocal rank of INQUIRE, against formulas written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from fieldguide.benchmarks.top_k import (
    average_precision_at,
    best_average_precision_at,
    ndcg_at,
    reciprocal_rank,
)

Scores = np.ndarray[Any, np.dtype[np.float64]]
Hits = np.ndarray[Any, np.dtype[np.bool_]]


def published_ap(scores: Scores, relevant: Hits, total: int, k: int) -> float:
    """Return the paper's AP@k of a list in order: sklearn's, times hits over min(k, P)."""
    hits = relevant[:k].sum()
    if hits == 0:
        return 0.0
    return float(average_precision_score(relevant[:k], scores[:k]) * hits / min(total, k))


def published_ndcg(scores: Scores, relevant: Hits, total: int, k: int) -> float:
    """Return sklearn's nDCG with the missed ones at the end, at a score of -100."""
    missed = total - int(relevant.sum())
    gains = [*relevant.astype(int), *[1] * missed]
    return float(ndcg_score([gains], [[*scores, *[-100.0] * missed]], k=k))


def random_lists(count: int = 200) -> list[tuple[Scores, Hits, int, int]]:
    generator = np.random.default_rng(0)
    lists = []
    for _ in range(count):
        size = int(generator.integers(2, 120))
        relevant = generator.random(size) < generator.choice([0.02, 0.2, 0.7])
        total = max(1, int(relevant.sum()) + int(generator.integers(0, 100)))
        scores = -np.sort(-generator.normal(size=size))
        lists.append((scores, relevant, total, int(generator.integers(1, size + 1))))
    return lists


@pytest.mark.parametrize("number", range(200))
def test_figures_equal_those_of_the_paper(number: int) -> None:
    scores, relevant, total, k = random_lists()[number]
    shuffled = np.random.default_rng(number).permutation(len(scores))
    given_ = scores[shuffled], relevant[shuffled]
    assert average_precision_at(*given_, total, k) == pytest.approx(
        published_ap(scores, relevant, total, k), abs=1e-9
    )
    assert ndcg_at(*given_, total, k) == pytest.approx(
        published_ndcg(scores, relevant, total, k), abs=1e-9
    )
    places = np.flatnonzero(relevant)
    slow = 1 / (places[0] + 1) if len(places) else 0.0
    assert reciprocal_rank(*given_) == pytest.approx(slow, abs=1e-9)


def test_hits_at_the_first_and_third_of_five_with_four_right_ones() -> None:
    """Worked by hand: (1/1 + 2/3) / 4."""
    scores, relevant = np.array([5.0, 4, 3, 2, 1]), np.array([True, False, True, False, False])
    found = average_precision_at(scores, relevant, total=4, k=5)
    assert found == pytest.approx(0.4167, abs=1e-4)
    assert found != pytest.approx(average_precision_score(relevant, scores))
    gain = 1 + 1 / math.log2(4)
    best = sum(1 / math.log2(place + 1) for place in (1, 2, 3, 4))
    assert ndcg_at(scores, relevant, total=4, k=5) == pytest.approx(gain / best)
    assert reciprocal_rank(scores, relevant) == 1


def test_more_right_ones_than_places_can_still_reach_one() -> None:
    scores, relevant = np.arange(5.0), np.ones(5, dtype=bool)
    assert average_precision_at(scores, relevant, total=1000, k=5) == 1
    assert ndcg_at(scores, relevant, total=1000, k=5) == pytest.approx(1)


def test_one_hit_in_front_of_many_missed_ones_is_not_perfect() -> None:
    scores, relevant = np.array([2.0, 1.0]), np.array([True, False])
    assert average_precision_score(relevant, scores) == 1
    assert average_precision_at(scores, relevant, total=50, k=50) == pytest.approx(1 / 50)


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_equal_scores_never_look_like_an_order(relevant: list[bool]) -> None:
    """All of one score: precision everywhere is the share of right ones, as in sklearn."""
    hits = np.array(relevant)
    scores = np.zeros(len(hits))
    total = max(1, int(hits.sum()))
    share = hits.mean() * hits.sum() / min(len(hits), total)
    assert average_precision_at(scores, hits, total, len(hits)) == pytest.approx(share)
    if hits.any() and len(hits) > 1:
        assert ndcg_at(scores, hits, total, len(hits)) == pytest.approx(
            ndcg_score([hits.astype(int)], [scores], k=len(hits))
        )


@given(st.integers(1, 100), st.integers(0, 100), st.integers(0, 200), st.integers(1, 100))
def test_the_best_order_reaches_its_bound_and_no_order_exceeds_it(
    size: int, hits: int, missed: int, k: int
) -> None:
    hits, total = min(hits, size), max(1, min(hits, size) + missed)
    relevant = np.arange(size) < hits
    bound = best_average_precision_at(hits, total, k)
    best = average_precision_at(-np.arange(size, dtype=float), relevant, total, k)
    assert best == pytest.approx(bound)
    any_order = np.random.default_rng(size).normal(size=size)
    assert average_precision_at(any_order, relevant, total, k) <= bound + 1e-12


def test_a_list_with_more_hits_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="right ones"):
        average_precision_at(np.zeros(2), np.ones(2, dtype=bool), total=1, k=2)
