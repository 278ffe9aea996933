"""Recall@k with several relevant items, against loops that sort."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldguide.benchmarks.retrieval import first_relevant_rank, retrieval_recalls
from fieldguide.errors import SpaceMismatchError
from fieldguide.models.embeddings import Embeddings, SpaceId

if TYPE_CHECKING:
    from numpy.typing import NDArray


def slow_rank(scores: list[float], relevant: list[bool]) -> int:
    """Sort the items, best first and wrong ones first among equals, and walk to a right one."""
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], relevant[item]))
    for rank, item in enumerate(order):
        if relevant[item]:
            return rank
    raise AssertionError("no relevant item")


def slow_mean_recall(similarity: NDArray[np.float32], pairs: set[tuple[int, int]]) -> float:
    """Count queries one by one, both ways, at 1, 5 and 10."""
    n_images, n_texts = similarity.shape
    figures = []
    for k in (1, 5, 10):
        found = 0
        for image in range(n_images):
            right = [(image, text) in pairs for text in range(n_texts)]
            found += slow_rank(similarity[image].tolist(), right) < k
        figures.append(found / n_images)
        found = 0
        for text in range(n_texts):
            right = [(image, text) in pairs for image in range(n_images)]
            found += slow_rank(similarity[:, text].tolist(), right) < k
        figures.append(found / n_texts)
    return sum(figures) / 6


def embeddings(vectors: NDArray[np.floating], encoder: str = "e") -> Embeddings:
    space = SpaceId(model="m", encoder=encoder, contract="c", pooling="p", dim=vectors.shape[1])
    return Embeddings(np.asarray(vectors, dtype=np.float32), space)


@st.composite
def queries(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return similarities with many ties, and relevance with at least one item a query."""
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    scores = st.lists(st.integers(-2, 2), min_size=columns, max_size=columns)
    marks = st.lists(st.booleans(), min_size=columns, max_size=columns).filter(any)
    similarity = np.array(draw(st.lists(scores, min_size=rows, max_size=rows)), dtype=np.float64)
    return similarity, np.array(draw(st.lists(marks, min_size=rows, max_size=rows)))


@given(queries())
def test_ranks_equal_those_of_a_sort(case: tuple[NDArray[np.float64], NDArray[np.bool_]]) -> None:
    similarity, relevant = case
    expected = [slow_rank(list(s), list(r)) for s, r in zip(similarity, relevant, strict=True)]
    assert first_relevant_rank(similarity, relevant).tolist() == expected


@settings(max_examples=25)
@given(st.integers(1, 15), st.integers(1, 20), st.integers(0, 2**31))
def test_mean_recall_equals_a_slow_count(n_images: int, n_texts: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    images, texts = (embeddings(generator.normal(size=(n, 4))) for n in (n_images, n_texts))
    pairs = {(image, int(generator.integers(n_texts))) for image in range(n_images)}
    pairs |= {(int(generator.integers(n_images)), text) for text in range(n_texts)}
    found = retrieval_recalls(images, texts, np.array(sorted(pairs)))
    expected = slow_mean_recall(images.similarity(texts), pairs)
    assert found.mean_recall.value == pytest.approx(expected)


def test_a_small_case_by_hand() -> None:
    images = embeddings(np.eye(3))
    texts = embeddings(np.array([[1, 0, 0], [0.9, 0.4, 0], [0, 0, 1], [0, 0, 1]]))
    # image 0 -> text 0 is first; image 1 -> text 1 is first; image 2 -> text 3 ties with 2
    # text 0 -> image 0; text 1 -> image 0 before 1; texts 2 -> image 0 comes after 2; 3 -> image 2
    pairs = np.array([[0, 0], [1, 1], [0, 2], [2, 3]])
    found = retrieval_recalls(images, texts, pairs)
    assert found.image_to_text[1] == pytest.approx(2 / 3)
    assert found.text_to_image[1] == pytest.approx(2 / 4)
    assert found.image_to_text[5] == found.text_to_image[5] == 1


def test_perfect_retrieval_has_a_certain_mean_recall_of_one() -> None:
    vectors = embeddings(np.eye(4))
    recall = retrieval_recalls(vectors, vectors, np.stack([np.arange(4)] * 2, axis=1)).mean_recall
    assert (recall.value, recall.low, recall.high) == (1, 1, 1)


def test_the_interval_holds_the_figure() -> None:
    generator = np.random.default_rng(0)
    images, texts = (embeddings(generator.normal(size=(60, 4))) for _ in "it")
    pairs = np.stack([np.arange(60)] * 2, axis=1)
    recall = retrieval_recalls(images, texts, pairs).mean_recall
    assert 0 < recall.low < recall.value < recall.high < 1


def test_equal_vectors_are_no_success() -> None:
    vectors = embeddings(np.ones((20, 2)))
    pairs = np.stack([np.arange(20)] * 2, axis=1)
    assert retrieval_recalls(vectors, vectors, pairs).mean_recall.value == 0


def test_a_query_without_a_relevant_item_is_refused() -> None:
    with pytest.raises(ValueError, match="query 1 has no relevant item"):
        first_relevant_rank(np.zeros((2, 2)), np.array([[True, False], [False, False]]))


def test_a_similarity_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        first_relevant_rank(np.array([[np.nan, 0]]), np.array([[True, False]]))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        first_relevant_rank(np.zeros((2, 2)), np.ones((2, 3), dtype=bool))


def test_vectors_of_two_spaces_are_refused() -> None:
    images, texts = embeddings(np.eye(2)), embeddings(np.eye(2), encoder="other")
    with pytest.raises(SpaceMismatchError):
        retrieval_recalls(images, texts, np.array([[0, 0], [1, 1]]))
