"""Scores over very many labels, chunk by chunk, against dense softmax and stable sorting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fieldguide.zeroshot.label_scores import LabelScorer
from fieldguide.zeroshot.top_places import FAN_OUT, block_maxima, top_places

FEW_VALUES = arrays(
    np.float32,
    st.tuples(st.sampled_from([1, 5, FAN_OUT, FAN_OUT + 1, 3 * FAN_OUT + 7]), st.integers(1, 4)),
    elements=st.sampled_from([-3.0, 0.0, 1.0, 1.5]),
)


def unit(shape: tuple[int, int], seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def dense(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of (N, C) logits in double precision."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


@given(FEW_VALUES, st.integers(1, 9))
def test_equal_scores_come_in_the_order_of_a_stable_sort(scores: np.ndarray, top: int) -> None:
    found = top_places(torch.from_numpy(scores), top)

    expected = np.argsort(-scores, axis=0, kind="stable")[:top].T
    np.testing.assert_array_equal(found.numpy(), expected)


def test_the_best_of_two_hundred_thousand_are_those_of_a_stable_sort() -> None:
    scores = np.random.default_rng(0).integers(0, 3000, (200_001, 3)).astype(np.float32)

    found = top_places(torch.from_numpy(scores), 300)

    expected = np.argsort(-scores, axis=0, kind="stable")[:300].T
    np.testing.assert_array_equal(found.numpy(), expected)


def test_the_last_block_may_be_short() -> None:
    scores = torch.arange(2.0 * FAN_OUT + 3)[:, None].flip(0)
    assert block_maxima(scores).flatten().tolist() == [2 * FAN_OUT + 2, FAN_OUT + 2, 2]


@pytest.mark.parametrize("labels", [1, 2, FAN_OUT, 1000])
@pytest.mark.parametrize("working_bytes", [1, 40_000, 1 << 30])
def test_chunks_say_what_a_dense_softmax_says(labels: int, working_bytes: int) -> None:
    vectors, images = unit((labels, 16), 0), unit((23, 16), 1)
    logits = (np.float32(50) * images) @ vectors.T
    scorer = LabelScorer(vectors, 50.0, working_bytes)

    found = np.empty((23, labels), np.float32)
    top = np.empty((23, min(7, labels)), np.int64)
    shares = np.empty(top.shape, np.float32)
    for part, scores, _ in scorer.chunks(images, top=7):
        found[part] = scores.probabilities(scores.weights)
        top[part], shares[part] = scores.top, scores.top_probabilities

    np.testing.assert_allclose(found, dense(logits), rtol=2e-5, atol=1e-30)
    np.testing.assert_array_equal(top, np.argsort(-logits, axis=1, kind="stable")[:, :7])
    np.testing.assert_allclose(shares, np.take_along_axis(dense(logits), top, 1), rtol=2e-5)


@pytest.mark.parametrize("per_image", [False, True])
def test_a_prior_is_added_to_the_logits(per_image: bool) -> None:
    vectors, images = unit((300, 8), 0), unit((10, 8), 1)
    prior = np.random.default_rng(2).normal(0, 3, (10, 300) if per_image else 300)
    logits = 20 * images.astype(float) @ vectors.T + prior
    scorer = LabelScorer(vectors, 20.0, working_bytes=5000)

    def log_prior(part: slice) -> np.ndarray:
        return np.float32(1) * (prior[part] if per_image else prior)

    chunks = [
        (scores.probabilities(scores.weights), plain and plain.probabilities(plain.weights))
        for _, scores, plain in scorer.chunks(images, top=1, log_prior=log_prior)
    ]

    rows, plain_rows = (np.concatenate(side) for side in zip(*chunks, strict=True))
    np.testing.assert_allclose(plain_rows, dense(logits - prior), rtol=1e-4)
    np.testing.assert_allclose(rows, dense(logits), rtol=1e-4)


def test_extreme_logits_give_no_nan_and_keep_their_order() -> None:
    vectors = np.array([[1, 0], [-1, 0], [0.999, 0.0447], [0, 1]], np.float32)
    image = np.array([[1, 0]], np.float32)
    (scores,) = [s for _, s, _ in LabelScorer(vectors, 10_000.0).chunks(image, top=4)]

    assert scores.top.tolist() == [[0, 2, 3, 1]]
    assert scores.top_probabilities[0] == pytest.approx([1, np.exp(-10.0), 0, 0], rel=1e-3)
    assert np.isfinite(scores.weights).all()


def test_no_images_give_no_chunk() -> None:
    scorer = LabelScorer(unit((5, 4), 0), 1.0)
    assert list(scorer.chunks(np.empty((0, 4), np.float32), top=1)) == []


def test_the_scores_of_a_chunk_stay_within_the_bytes_that_were_given() -> None:
    assert LabelScorer(unit((1000, 4), 0), 1.0, working_bytes=40_000).rows_at_once == 10
    assert LabelScorer(unit((1000, 4), 0), 1.0, working_bytes=1).rows_at_once == 1
