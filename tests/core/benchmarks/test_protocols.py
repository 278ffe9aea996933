"""Linear probe, neighbours and few-shot, against slow versions and by hand."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from fieldguide.benchmarks.few_shot import FewShot, accuracy_of_draw, draw, mean_and_spread
from fieldguide.benchmarks.linear_probe import accuracies
from fieldguide.benchmarks.logistic import COARSE_DECADES, choose_penalty, peak
from fieldguide.benchmarks.nearest_neighbours import vote
from fieldguide.benchmarks.vectors import Part, Parts, split_of
from fieldguide.data.inputs import Item
from fieldguide.models.embeddings import unit_length


def part(seed: int, each: int = 20, classes: int = 3, noise: float = 0.8) -> Part:
    """Return noisy unit vectors around one centre a class."""
    generator = np.random.default_rng(seed)
    labels = np.repeat([f"class {n}" for n in range(classes)], each)
    centres = np.eye(8)[:classes].repeat(each, axis=0)
    return Part(unit_length(centres + noise * generator.normal(size=(len(labels), 8))), labels)


def items(*names: str) -> list[Item]:
    return [Item(name, name, Path(name)) for name in names]


def test_a_split_is_60_20_20_of_each_class() -> None:
    names = [f"{label}/{n}.jpg" for label in "ab" for n in range(10)]
    labels = ["a"] * 10 + ["b"] * 10
    splits = split_of(items(*names), labels)
    assert Counter(zip(labels, splits, strict=True)) == {
        (label, name): count
        for label in "ab"
        for name, count in (("train", 6), ("val", 2), ("test", 2))
    }


def test_a_split_follows_the_hash_of_the_file_names_and_no_order() -> None:
    names = [f"{n}.jpg" for n in range(10)]
    by_hash = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    splits = dict(zip(names, split_of(items(*names), ["a"] * 10), strict=True))
    assert [name for name in by_hash if splits[name] == "train"] == by_hash[:6]
    assert [name for name in by_hash if splits[name] == "test"] == by_hash[8:]
    backwards = names[::-1]
    assert dict(zip(backwards, split_of(items(*backwards), ["a"] * 10), strict=True)) == splits


def test_the_search_for_a_penalty_ends_at_an_eighth_of_a_decade() -> None:
    asked: list[float] = []

    def score(point: float) -> float:
        asked.append(point)
        return -abs(point - 1.4)

    assert peak(score, COARSE_DECADES, 2.0) == 1.375
    assert len(asked) == len(set(asked)) == 7 + 2 * 4


def test_of_equal_scores_the_stronger_penalty_wins() -> None:
    assert peak(lambda _point: 1.0, (-2.0, 0.0, 2.0), 0.0) == -2.0


@pytest.mark.parametrize("seed", range(3))
def test_the_chosen_penalty_is_as_good_as_any_of_the_coarse_grid(seed: int) -> None:
    train, val = part(seed, 15), part(seed + 100, 15)
    chosen = choose_penalty(train, val)

    def slow_score(penalty: float) -> float:
        model = LogisticRegression(C=penalty, max_iter=1000).fit(train.vectors, train.labels)
        return float(np.mean(model.predict(val.vectors) == val.labels))

    assert slow_score(chosen) >= max(slow_score(10**decade) for decade in COARSE_DECADES)


def slow_vote(bank: Part, query: np.ndarray, k: int) -> str:
    """Sort by cosine, add the weights one by one, and take the heaviest label."""
    cosines = [sum(map(float, row.astype(float) * query.astype(float))) for row in bank.vectors]
    order = sorted(range(len(cosines)), key=lambda row: -cosines[row])[:k]
    votes: dict[str, float] = defaultdict(float)
    for row in order:
        votes[str(bank.labels[row])] += math.exp(cosines[row] / 0.07)
    return max(sorted(votes), key=lambda label: votes[label])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3, 20, 100]))
def test_neighbours_vote_as_in_a_slow_count(seed: int, k: int) -> None:
    bank, queries = part(seed, 10), part(seed + 1, 3)
    expected = [slow_vote(bank, query, k) for query in queries.vectors]
    assert vote(bank, queries.vectors, k).tolist() == expected


def test_many_weak_votes_do_not_outweigh_a_near_one() -> None:
    bank = Part(np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float32), np.array(["a", "b", "b"]))
    assert vote(bank, np.array([[1, 0]], dtype=np.float32), 3).tolist() == ["a"]


def test_accuracies_by_hand() -> None:
    truth = Part(np.zeros((4, 2), dtype=np.float32), np.array(["a", "a", "a", "b"]))
    top1, mean = accuracies(np.array(["a", "a", "b", "b"]), truth)
    assert (top1.metric, top1.value, top1.n) == ("top1_accuracy", 75.0, 4)
    assert mean.value == pytest.approx(100 * (2 / 3 + 1) / 2)


def test_a_draw_takes_as_many_of_each_class_and_differs_by_seed() -> None:
    train = part(0)
    rows = draw(train, 4, np.random.default_rng(1))
    assert Counter(train.labels[rows].tolist()) == {f"class {n}": 4 for n in range(3)}
    assert len(set(rows.tolist())) == 12
    assert rows.tolist() != draw(train, 4, np.random.default_rng(2)).tolist()
    assert rows.tolist() == draw(train, 4, np.random.default_rng(1)).tolist()


def test_the_same_draw_gives_the_same_figure() -> None:
    parts = Parts(part(0), part(1), part(2))
    assert accuracy_of_draw(parts, 4, 0) == accuracy_of_draw(parts, 4, 0)


def test_more_shots_are_no_worse_on_data_that_can_be_told_apart() -> None:
    parts = Parts(part(0, noise=0.3), part(1, noise=0.3), part(2, noise=0.3))
    assert accuracy_of_draw(parts, 16, 0) >= accuracy_of_draw(parts, 1, 0)


def test_mean_and_spread_by_hand() -> None:
    found = (0.5, 0.6, 0.7)
    mean, spread = mean_and_spread(found, 2, 9)
    deviation = statistics.stdev([50, 60, 70])
    assert (mean.value, mean.part, mean.n) == (pytest.approx(60), "2 shots", 9)
    assert mean.high == pytest.approx(60 + 4.303 * deviation / math.sqrt(3))
    assert (spread.value, spread.unit) == (pytest.approx(deviation), "percentage_points")


def test_the_usual_shots_and_seeds() -> None:
    assert FewShot().shots == (1, 2, 4, 8, 16)
    assert len(FewShot().seeds) == 5
