"""Recall with five captions an image: by hand, and against the authors' way to compute it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.benchmarks.caption_retrieval import caption_pairs, figures, traps
from fieldguide.benchmarks.retrieval import recall_counts
from fieldguide.models.embeddings import Embeddings, SpaceId

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.benchmarks.report import Figure


def embeddings(vectors: NDArray[np.floating]) -> Embeddings:
    space = SpaceId(model="m", encoder="e", contract="c", pooling="p", dim=vectors.shape[1])
    return Embeddings(np.asarray(vectors, dtype=np.float32), space)


def measured(similarity: NDArray[np.floating], each: int) -> dict[tuple[str, str], Figure]:
    """Return the figures of given similarities (images, captions) by metric and direction."""
    captions = [[f"{row} {n}" for n in range(each)] for row in range(len(similarity))]
    texts, pairs = caption_pairs(captions)
    images = embeddings(np.eye(len(similarity)))  # so that vectors of texts are similarities
    counts = recall_counts(images, embeddings(similarity.T), pairs)
    found = figures(counts, len(captions), len(texts))
    return {(row.metric, row.part): row for row in found}


def recall_of_the_authors(scores: torch.Tensor, positives: torch.Tensor, k: int) -> float:
    """Return recall in percent as CLIP_benchmark and RemoteCLIP's retrieval.py define it.

    The share of rows of which at least one positive is among the k highest scores.
    """
    best = scores.topk(k, dim=1).indices
    found = [bool(positives[row, best[row]].any()) for row in range(len(scores))]
    return 100 * sum(found) / len(found)


def test_a_case_by_hand() -> None:
    # two images with two captions each; columns: own captions of image 0, then of image 1
    similarity = np.array([[0.1, 0.9, 0.5, 0.2], [0.8, 0.3, 0.4, 0.6]])
    found = measured(similarity, each=2)
    # image 0 finds caption 1 (own); image 1 finds caption 0 (not its own)
    assert found["recall_at_1", "image to text"].value == 50.0
    # captions 0..3 find images 1 (wrong), 0 (right), 0 (wrong), 1 (right)
    assert found["recall_at_1", "text to image"].value == 50.0
    assert found["recall_at_5", "text to image"].value == 100.0
    assert found["mean_recall", ""].value == pytest.approx((50 + 50 + 4 * 100) / 6)
    assert found["recall_at_1", "image to text"].n == 2
    assert found["recall_at_1", "text to image"].n == 4


def test_any_of_the_five_captions_is_a_hit() -> None:
    similarity = np.zeros((12, 60))
    similarity[:, :] = np.linspace(0.1, 0.2, 60)[None, :]
    for row in range(12):
        similarity[row, 5 * row + 4] = 0.9  # only its last caption fits
    found = measured(similarity, each=5)
    assert found["recall_at_1", "image to text"].value == 100.0
    assert found["recall_at_1", "text to image"].value == pytest.approx(100 / 5)


def test_equal_similarities_are_no_success() -> None:
    found = measured(np.full((11, 55), 0.5), each=5)
    assert {row.value for row in found.values()} == {0.0}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(10, 14), st.integers(1, 5))
def test_recalls_are_those_of_the_authors_code_where_nothing_ties(
    seed: int, images: int, each: int
) -> None:
    size = images * images * each
    values = np.random.default_rng(seed).permutation(size) / size  # no two are equal
    similarity = values.reshape(images, images * each).astype(np.float32)
    scores = torch.from_numpy(similarity)
    positives = torch.zeros(scores.shape, dtype=torch.bool)
    for row in range(images):
        positives[row, row * each : (row + 1) * each] = True
    found = measured(similarity, each)
    expected = []
    for k in (1, 5, 10):
        i2t = recall_of_the_authors(scores, positives, k)
        t2i = recall_of_the_authors(scores.T, positives.T, k)
        assert found[f"recall_at_{k}", "image to text"].value == pytest.approx(i2t)
        assert found[f"recall_at_{k}", "text to image"].value == pytest.approx(t2i)
        expected += [i2t, t2i]
    assert found["mean_recall", ""].value == pytest.approx(sum(expected) / 6)


def test_every_caption_stays_a_query_of_its_own() -> None:
    texts, pairs = caption_pairs([["same", "same"], ["same", "other"]])
    assert texts == ["same", "same", "same", "other"]
    assert pairs.tolist() == [[0, 0], [0, 1], [1, 2], [1, 3]]


def test_the_traps_count_captions_that_are_worded_alike() -> None:
    first = traps([["same", "same"], ["same", "other"]])[0]
    assert first.startswith("3 of 4 captions are worded like one of another image, and 1 like")
